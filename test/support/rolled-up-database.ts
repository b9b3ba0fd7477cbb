import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { DAY_MS } from '../../src/shared/time-zone';
import { PostgresEngine } from '../../src/platform/database/postgres-engine';
import { sql } from '../../src/platform/database/sql';
import { TimescaleEngine } from '../../src/platform/database/timescale-engine';
import { type CountedEvent, storeEvents } from './counted-events';
import { createTestDatabase, type TestDatabase } from './test-database';

const announceWatermark = sql('aggregation/announce-watermark');

/** A database that holds these events, with rollups materialised up to `materializedThrough` and computed above. */
export async function rolledUpDatabase(
  kind: StorageEngineKind,
  events: readonly CountedEvent[],
  materializedThrough: Date,
): Promise<TestDatabase> {
  const database = await createTestDatabase(kind);
  const times = events.map(({ occurredAt }) => occurredAt);
  const first = times.reduce((least, time) => Math.min(least, time), Infinity);
  const last = times.reduce((most, time) => Math.max(most, time), -Infinity);
  const engine =
    kind === 'timescale'
      ? new TimescaleEngine(database.pool)
      : new PostgresEngine(database.pool, last - first + DAY_MS);
  await engine.prepare(new Date(last));
  await storeEvents(database.pool, events);
  await engine.noticeChangesBelow(materializedThrough);
  await database.pool.query({ ...announceWatermark, values: [materializedThrough] });
  await engine.advance({ start: new Date(first), end: materializedThrough });
  await database.pool.query('analyze');
  return database;
}
