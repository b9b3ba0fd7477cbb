import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { DAY_MS, TimeZone } from '../../src/shared/time-zone';
import { randomEvents } from './counted-events';
import { rolledUpDatabase } from './rolled-up-database';
import type { TestDatabase } from './test-database';

export const MANY_EVENTS_OF = 'a0000000-0000-4000-8000-00000000000a';
/** Some 20 MiB of CSV. */
export const MANY_EVENTS = 90_000;
const start = TimeZone.UTC.floor(Date.now() - 3 * DAY_MS, 'day');
export const MANY_EVENTS_WINDOW = {
  start: new Date(start).toISOString(),
  end: new Date(start + DAY_MS).toISOString(),
};

/** A database whose one organisation has so many events in one day that their file is of several parts. */
export async function manyEvents(engine: StorageEngineKind): Promise<TestDatabase> {
  // One event of another organisation, for the partitions and rollups that every database has.
  const other = { orgIds: ['b0000000-0000-4000-8000-00000000000b'], models: ['m'], clients: ['c'] };
  const events = randomEvents({ ...other, count: 1, from: start, to: start + DAY_MS, seed: 1 });
  const database = await rolledUpDatabase(engine, events, new Date(start));
  await database.pool.query(
    `insert into usage_events (occurred_at, org_id, event_id, latency_ms, latency_bin, input_tokens, output_tokens,
       status, cost, model_id, client_id, actor_id)
     select $1::timestamptz + n * interval '0.9 seconds', $2, gen_random_uuid(), 100, 90, n % 4000, n % 900, 'success',
       (n % 1000000) * 0.0000000123, 'vendor/model-' || n % 40, 'client-' || n % 5, 'somebody-' || n % 1000
     from generate_series(0, $3::integer - 1) as n`,
    [MANY_EVENTS_WINDOW.start, MANY_EVENTS_OF, MANY_EVENTS],
  );
  await database.pool.query('analyze usage_events');
  return database;
}
