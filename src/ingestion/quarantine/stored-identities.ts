import { Injectable } from '@nestjs/common';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import type { UsageEvent } from '../../shared/usage-event/usage-event';

const findIdentity = sql('quarantine/find-identity');

/** `none`: the identity is free. `same`: the same payload is stored under it. `other`: another one is. */
export type IdentityState = 'none' | 'same' | 'other';

/** What is stored under the identity of an event, also after its key has left the dedupe window. */
@Injectable()
export class StoredIdentities {
  constructor(private readonly pool: ApiPool) {}

  /** `wasOther`: the payload is known to have been another one than the stored, should no hash of that be left. */
  async compare(
    { orgId, eventId, occurredAt, payloadHash }: UsageEvent,
    wasOther: boolean,
  ): Promise<IdentityState> {
    const { rows } = await this.pool.query<{ payload_hash: string | null; occurred_at: Date | null }>({
      ...findIdentity,
      values: [orgId, eventId],
    });
    const { payload_hash: hash = null, occurred_at: stored = null } = rows[0] ?? {};
    if (hash !== null) return hash === payloadHash ? 'same' : 'other';
    if (stored === null) return 'none';
    return wasOther || stored.getTime() !== occurredAt ? 'other' : 'same';
  }
}
