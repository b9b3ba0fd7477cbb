import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config/config';
import type { SeededApiKey } from '../platform/config/settings';
import { AppError } from '../shared/errors';
import type { Principal } from './principal';

/** `ak_<id>_<secret>`; the secret is 256 random bits in base64url. */
const KEY = /^ak_([A-Za-z0-9]{4,40})_([A-Za-z0-9_-]{43})$/;
const NO_HASH = Buffer.alloc(32);

/** Verifies API keys. Only hashes of secrets are held, and they are compared in constant time. */
@Injectable()
export class ApiKeys {
  private readonly seeded: ReadonlyMap<string, SeededApiKey>;

  constructor({ apiKeys }: Config) {
    this.seeded = new Map(apiKeys.map((key) => [key.id, key]));
  }

  /** Throws `unauthenticated` for every key that does not prove who is calling. */
  verify(presented: string): Principal {
    const [, id = '', secret = ''] = KEY.exec(presented) ?? [];
    const key = this.seeded.get(id);
    // An unknown id costs the same comparison as a known one.
    const expected = key ? Buffer.from(key.sha256, 'hex') : NO_HASH;
    const matches = timingSafeEqual(createHash('sha256').update(secret).digest(), expected);
    if (!key || !matches) throw new AppError('unauthenticated', 'The API key is not valid here.');
    return { id: key.id, kind: 'api-key', roles: key.roles, orgId: key.orgId?.toLowerCase() ?? null };
  }
}
