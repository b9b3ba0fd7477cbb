import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { isTransient } from '../../platform/database/postgres-errors';
import { Config } from '../../platform/config/config';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import type { Role } from '../permissions';
import type { Principal } from '../principal';
import { ApiKeyRows } from './api-key-rows.repository';

/** `ak_<id>_<secret>`; the secret is 256 random bits in base64url. */
const KEY = /^ak_([A-Za-z0-9]{4,40})_([A-Za-z0-9_-]{43})$/;
const NO_HASH = Buffer.alloc(32);
/** A key that another replica has revoked is refused here after at most this long. */
export const KNOWN_FOR_MS = 30_000;
const NOTE_USE_EVERY_MS = 60_000;
/** Whoever makes up ids cannot fill the memory with them. */
const MOST_KNOWN = 10_000;

/** What is known of a key, of the configuration or of the database. */
interface KnownKey {
  readonly id: string;
  readonly sha256: Buffer;
  readonly orgId: string | null;
  readonly roles: readonly Role[];
  readonly expiresAt: Date | null;
  readonly isRevoked: boolean;
}

interface Lookup {
  readonly at: number;
  readonly found: Promise<KnownKey | undefined>;
}

/**
 * Verifies API keys: those of API_KEYS, and those that were made by API, of which the database is asked at most every
 * KNOWN_FOR_MS. Only hashes of secrets are held, and they are compared in constant time.
 */
@Injectable()
export class ApiKeys {
  private readonly logger = new Logger(ApiKeys.name);
  private readonly seeded: ReadonlyMap<string, KnownKey>;
  private readonly lookups = new Map<string, Lookup>();
  private readonly notedUses = new Map<string, number>();

  constructor(
    { apiKeys }: Config,
    private readonly rows: ApiKeyRows,
    private readonly clock: Clock,
  ) {
    const known = apiKeys.map(({ id, sha256, orgId, roles }): [string, KnownKey] => [
      id,
      { id, sha256: Buffer.from(sha256, 'hex'), orgId: orgId?.toLowerCase() ?? null, roles, expiresAt: null, isRevoked: false }, // prettier-ignore
    ]);
    this.seeded = new Map(known);
  }

  /**
   * Throws `unauthenticated` for every key that does not prove who is calling, whatever is wrong with it, and
   * `unavailable` when the database would have to be asked and cannot be.
   */
  async verify(presented: string): Promise<Principal> {
    const [, id = '', secret = ''] = KEY.exec(presented) ?? [];
    const now = this.clock.now();
    const key = this.seeded.get(id) ?? (id === '' ? undefined : await this.lookUp(id, now));
    // An unknown id costs the same comparison as a known one.
    const matches = timingSafeEqual(createHash('sha256').update(secret).digest(), key?.sha256 ?? NO_HASH);
    const isLive = key && !key.isRevoked && (key.expiresAt === null || now < key.expiresAt);
    if (!isLive || !matches) throw new AppError('unauthenticated', 'The API key is not valid here.');
    this.noteUse(id, now);
    return { id, kind: 'api-key', roles: key.roles, orgId: key.orgId };
  }

  /** Whether the configuration has a key of this id: then none can be made with it. */
  isSeeded(id: string): boolean {
    return this.seeded.has(id);
  }

  /** Makes the next use ask the database: the key was changed here. */
  forget(id: string): void {
    this.lookups.delete(id);
  }

  private async lookUp(id: string, now: Date): Promise<KnownKey | undefined> {
    const known = this.lookups.get(id);
    if (known && now.getTime() - known.at < KNOWN_FOR_MS) return known.found;
    if (this.lookups.size >= MOST_KNOWN) this.lookups.clear();
    const found = this.read(id);
    this.lookups.set(id, { at: now.getTime(), found });
    // A failure is not kept: the next one asks again.
    found.catch(() => this.lookups.delete(id));
    return found;
  }

  private async read(id: string): Promise<KnownKey | undefined> {
    try {
      const row = await this.rows.lookUp(id);
      if (!row) return undefined;
      const { secretSha256: sha256, orgId, roles, expiresAt, revokedAt } = row;
      return { id, sha256, orgId, roles, expiresAt, isRevoked: revokedAt !== null };
    } catch (cause) {
      if (!isTransient(cause)) throw cause;
      throw new AppError('unavailable', 'API keys cannot be verified now; try again.', {
        retryAfterSeconds: 5,
        cause,
      });
    }
  }

  private noteUse(id: string, now: Date): void {
    const noted = this.notedUses.get(id) ?? -Infinity;
    if (this.seeded.has(id) || now.getTime() - noted < NOTE_USE_EVERY_MS) return;
    this.notedUses.set(id, now.getTime());
    this.rows.noteUse(id, now).catch((err: unknown) => {
      this.logger.warn({ err, keyId: id }, 'The last use of an API key could not be noted');
    });
  }
}
