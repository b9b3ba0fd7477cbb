import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { type Granularity, HOUR_MS, TimeZone } from './time-zone';

const FROM = Date.UTC(2025, 8, 1);
const TO = Date.UTC(2026, 11, 15);
const STEP = 121 * HOUR_MS + 977_000;

interface Bucket {
  readonly zone: string;
  readonly instant: Date;
  readonly ours: Date;
  readonly theirs: Date;
}

/** Instants over fifteen months, closer together where the zone's clock is set. */
function instantsOf(zone: TimeZone): number[] {
  const regular = Array.from({ length: Math.floor((TO - FROM) / STEP) }, (_, index) => FROM + index * STEP);
  const changes = regular.slice(1).flatMap((instant, index) => {
    const before = regular[index] as number;
    if (zone.offsetAt(before) === zone.offsetAt(instant)) return [];
    return Array.from({ length: 100 }, (_, part) => before + Math.floor((STEP * part) / 100));
  });
  return [...regular, ...changes];
}

/** date_trunc names a bucket by a time that the clock shows, which is not always where the bucket begins. */
function isExplained({ zone, instant, ours, theirs }: Bucket, granularity: Granularity): boolean {
  const offset = (at: number) => (TimeZone.named(zone) as TimeZone).offsetAt(at);
  if (granularity === 'minute' || granularity === 'hour') {
    // The clock was set within the hour: the bucket begins there, theirs is named by a time before it.
    const wasSet = offset(ours.getTime() - 1) !== offset(ours.getTime());
    return wasSet && offset(theirs.getTime()) !== offset(instant.getTime());
  }
  // Midnight came twice: the day begins with the first, theirs is named by the second.
  return (
    ours < theirs && ours.getTime() + offset(ours.getTime()) === theirs.getTime() + offset(theirs.getTime())
  );
}

describe('buckets beside those of PostgreSQL', () => {
  let database: TestDatabase;
  let zones: TimeZone[];

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    const all = Intl.supportedValuesOf('timeZone').map((name) => TimeZone.named(name) as TimeZone);
    const known = await database.pool.query<{ name: string }>('select name from pg_timezone_names');
    const shared = all.filter(({ name }) => known.rows.some((row) => row.name === name));
    const asked = shared.flatMap((zone) => instantsOf(zone).map((instant) => ({ zone, instant })));
    // Node.js and PostgreSQL may carry releases of the IANA database that differ in a zone or two.
    const { rows } = await database.pool.query<{ zone: string }>(
      `select distinct zone from unnest($1::text[], $2::timestamptz[], $3::bigint[]) as asked (zone, instant, ms)
       where extract(epoch from (instant at time zone zone) - (instant at time zone 'UTC')) * 1000 <> ms`,
      [
        asked.map(({ zone }) => zone.name),
        asked.map(({ instant }) => new Date(instant).toISOString()),
        asked.map(({ zone, instant }) => zone.offsetAt(instant)),
      ],
    );
    zones = shared.filter(({ name }) => !rows.some(({ zone }) => zone === name));
  });
  afterAll(() => database?.drop());

  it.each(['minute', 'hour', 'day', 'week', 'month'] as const)(
    'are the same by %s in every zone',
    async (granularity) => {
      // prettier-ignore
      expect(zones.length).toBeGreaterThan(400);
      const asked = zones.flatMap((zone) => instantsOf(zone).map((instant) => ({ zone, instant })));
      const iso = (instant: number) => new Date(instant).toISOString();
      const { rows } = await database.pool.query<Bucket>(
        `select zone, instant, ours, date_trunc($4::text, instant, zone) as theirs
       from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as asked (zone, instant, ours)
       where date_trunc($4::text, instant, zone) <> ours`,
        [
          asked.map(({ zone }) => zone.name),
          asked.map(({ instant }) => iso(instant)),
          asked.map(({ zone, instant }) => iso(zone.floor(instant, granularity))),
          granularity,
        ],
      );
      expect(rows.filter((row) => !isExplained(row, granularity))).toEqual([]);
      expect(rows.length).toBeLessThan(asked.length / 500);
    },
  );
});
