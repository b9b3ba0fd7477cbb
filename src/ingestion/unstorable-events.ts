import type { PoolClient } from 'pg';
import { isDataError } from '../platform/database/postgres-errors';
import {
  arrivedBytes,
  type PositionedEvent,
  type PositionedReject,
  type QuarantineReason,
} from '../shared/usage-event/usage-event';
import { MAX_QUARANTINED_BYTES } from '../shared/usage-event/decode-usage-message';

/**
 * Finds the events that the database refuses to store as they are, by halving: log2(n) attempts for each. Whatever
 * `copy` stores is rolled back to a savepoint, so the caller's transaction is unchanged.
 */
export async function findUnstorable(
  client: PoolClient,
  events: readonly PositionedEvent[],
  copy: (part: readonly PositionedEvent[]) => Promise<void>,
): Promise<PositionedReject[]> {
  const refusal = await refusalOf(client, () => copy(events));
  const [first] = events;
  if (refusal === null || !first) return [];
  if (events.length === 1)
    return [toReject(first, 'unstorable', `The database refused the event: ${refusal}`)];
  const middle = events.length >> 1;
  return [
    ...(await findUnstorable(client, events.slice(0, middle), copy)),
    ...(await findUnstorable(client, events.slice(middle), copy)),
  ];
}

async function refusalOf(client: PoolClient, attempt: () => Promise<void>): Promise<string | null> {
  await client.query('savepoint attempt');
  try {
    await attempt();
    return null;
  } catch (error) {
    if (!isDataError(error)) throw error;
    return error instanceof Error ? error.message : String(error);
  } finally {
    await client.query('rollback to savepoint attempt').catch(() => undefined);
  }
}

/** An admitted event as the reject it has turned out to be. */
export function toReject(
  { offset, index, event }: PositionedEvent,
  reason: QuarantineReason,
  detail: string,
): PositionedReject {
  const payload = arrivedBytes(event);
  return {
    offset,
    index,
    reject: {
      reason,
      detail,
      orgId: event.orgId,
      eventId: event.eventId,
      occurredAt: event.occurredAt,
      payload: payload.subarray(0, MAX_QUARANTINED_BYTES),
      payloadBytes: payload.length,
    },
  };
}
