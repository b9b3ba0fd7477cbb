import { EventBus } from '@nestjs/cqrs';
import { describeEachEngine } from '../../../test/support/engines';
import { eventually } from '../../../test/support/eventually';
import { createTestDatabase, type TestDatabase } from '../../../test/support/test-database';
import { ORG_A, ORG_B, streamBatch, usageEvent } from '../../../test/support/usage-events';
import type { Config } from '../../platform/config/config';
import { IngestPool } from '../../platform/database/pools';
import type { StorageEngine } from '../../platform/database/storage-engine';
import { SystemClock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import {
  IngestUsageCommand,
  type IngestResult,
  PartitionLostError,
  type UsageBatch,
} from '../../shared/messages/ingest-usage.command';
import { UsageBatchStore } from '../usage-batch.store';
import { IngestUsageHandler } from './ingest-usage.handler';

const DAY_MS = 86_400_000;

describeEachEngine('ingesting a batch', (engine) => {
  let database: TestDatabase;
  let pool: IngestPool;
  let ingest: (batch: UsageBatch) => Promise<IngestResult>;
  let prepared = 0;

  beforeEach(async () => {
    database = await createTestDatabase(engine);
    pool = new IngestPool(database.url);
    // As the engines do it, but only when a batch has run into the missing partition.
    const prepare = async (now: Date) => {
      prepared += 1;
      const parents = engine === 'timescale' ? [] : ['usage_events', 'usage_15min', 'latency_hourly'];
      for (const parent of ['usage_event_keys', ...parents]) {
        await database.pool.query('select ensure_partitions($1::regclass, $2, $3, $4)', [
          parent,
          'day',
          new Date(now.getTime() - 31 * DAY_MS),
          new Date(now.getTime() + DAY_MS),
        ]);
      }
    };
    const handler = new IngestUsageHandler(
      pool,
      new UsageBatchStore({ dedupeWindow: 2 * DAY_MS } as Config),
      { prepare } as StorageEngine,
      new SystemClock(),
      { publish: () => undefined } as unknown as EventBus,
    );
    ingest = (batch) => handler.execute(new IngestUsageCommand(batch));
    await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1), (1, 1)');
  });

  afterEach(async () => {
    await pool.end();
    await database.drop();
  });

  async function rowsOf(query: string): Promise<Record<string, unknown>[]> {
    return (await database.pool.query<Record<string, unknown>>(query)).rows;
  }

  async function countOf(relation: string): Promise<number> {
    const [row] = await rowsOf(`select count(*)::integer as rows from ${relation}`);
    return row?.['rows'] as number;
  }

  it('makes the partitions that a first batch lacks', async () => {
    const before = prepared;
    await ingest(streamBatch([usageEvent()]));
    expect(prepared).toBe(before + 1);
    expect(await countOf('usage_events')).toBe(1);
  });

  it('stores every field of an event and moves the cursor in the same transaction', async () => {
    const event = usageEvent({
      modelId: 'back\\slash\tand tab',
      clientId: 'key-1',
      actorId: 'user\nline',
      errorCode: 'rate_limited',
      status: 'throttled',
      cachedInputTokens: 12,
      timeToFirstTokenMs: 80,
      metadata: { team: 'a"b\\c', zone: 'ü' },
    });
    await ingest(streamBatch([event, usageEvent()]));
    const [stored] = await rowsOf(`select * from usage_events where event_id = '${event.eventId}'`);
    expect(stored).toMatchObject({
      org_id: ORG_A,
      model_id: event.modelId,
      client_id: 'key-1',
      actor_id: event.actorId,
      status: 'throttled',
      error_code: 'rate_limited',
      cost: '0.0012345',
      latency_ms: 1_200,
      cached_input_tokens: 12,
      time_to_first_token_ms: 80,
      metadata: event.metadata,
    });
    expect((stored?.['occurred_at'] as Date).toISOString()).toBe(event.occurredAt);
    expect(await rowsOf('select next_offset, committed_at from ingest_cursors where partition = 0')).toEqual([
      { next_offset: '2', committed_at: expect.any(Date) },
    ]);
  });

  it('stores an event once, however often and in however many batches it comes', async () => {
    const event = usageEvent();
    const first = await ingest(streamBatch([event, event]));
    const second = await ingest(streamBatch([usageEvent(), event], { firstOffset: 2 }));
    expect(first).toMatchObject({ stored: 1, duplicates: 1, outcomes: ['stored', 'duplicate'] });
    expect(second).toMatchObject({ stored: 1, duplicates: 1, outcomes: ['stored', 'duplicate'] });
    expect(await countOf('usage_events')).toBe(2);
  });

  it('knows an event again by its identity although its time differs, and keeps it as a conflict', async () => {
    const event = usageEvent();
    const moved = { ...event, occurredAt: new Date(Date.now() - 30_000).toISOString() };
    await ingest(streamBatch([event]));
    expect(await ingest(streamBatch([moved], { firstOffset: 1 }))).toMatchObject({ stored: 0, conflicts: 1 });
    const [conflict] = await rowsOf('select * from quarantined_events');
    expect(conflict).toMatchObject({ reason: 'conflict', stream_offset: '1', event_id: event.eventId });
    expect(conflict?.['payload_hash']).not.toBe(conflict?.['stored_payload_hash']);
    expect(JSON.parse(String(conflict?.['payload']))).toEqual(moved);
  });

  it('tells organisations apart that use the same event id', async () => {
    const event = usageEvent();
    const result = await ingest(streamBatch([event, { ...event, orgId: ORG_B }]));
    expect(result).toMatchObject({ stored: 2, conflicts: 0 });
  });

  it('quarantines poison with its reason and offset and stores the rest of the batch', async () => {
    const result = await ingest(
      streamBatch([
        usageEvent(),
        Buffer.from('{'),
        [usageEvent(), usageEvent({ latencyMs: -1 })],
        usageEvent(),
      ]),
    );
    expect(result).toMatchObject({ received: 5, stored: 3, quarantined: 2 });
    expect(
      await rowsOf(
        'select reason, stream_offset, position, payload_bytes from quarantined_events order by 2',
      ),
    ).toEqual([
      { reason: 'not_json', stream_offset: '1', position: 0, payload_bytes: 1 },
      { reason: 'schema_violation', stream_offset: '2', position: 1, payload_bytes: expect.any(Number) },
    ]);
  });

  it('keeps a ledger that adds up, in all and by organisation and hour', async () => {
    const occurredAt = '2026-01-01T00:00:00Z';
    const event = usageEvent();
    await ingest(
      streamBatch([
        event,
        event,
        { ...event, latencyMs: 1 },
        usageEvent({ orgId: ORG_B }),
        { ...event, occurredAt },
      ]),
    );
    expect(
      await rowsOf('select received, stored, duplicates, conflicts, quarantined from ingest_batches'),
    ).toEqual([{ received: 5, stored: 2, duplicates: 1, conflicts: 1, quarantined: 1 }]);
    expect(
      await rowsOf(`
        select org_id, sum(received)::integer as received, sum(stored)::integer as stored,
          sum(duplicates + conflicts + quarantined)::integer as other
        from ingest_ledger group by 1 order by 1`),
    ).toEqual([
      { org_id: ORG_A, received: 4, stored: 1, other: 3 },
      { org_id: ORG_B, received: 1, stored: 1, other: 0 },
    ]);
  });

  it('stores nothing for an owner of an older epoch', async () => {
    await database.pool.query('update ingest_cursors set epoch = 2 where partition = 0');
    await expect(ingest(streamBatch([usageEvent(), Buffer.from('{')]))).rejects.toThrow(PartitionLostError);
    expect([await countOf('usage_events'), await countOf('quarantined_events')]).toEqual([0, 0]);
  });

  it('refuses a batch that was committed already, as after a lost reply to COMMIT', async () => {
    const batch = streamBatch([usageEvent()]);
    await ingest(batch);
    await expect(ingest(batch)).rejects.toThrow(PartitionLostError);
    expect(await countOf('usage_events')).toBe(1);
  });

  it('changes nothing when a part of the stream is read again', async () => {
    const event = usageEvent();
    const messages = [
      event,
      event,
      { ...event, latencyMs: 7 },
      Buffer.from('?'),
      usageEvent({ orgId: ORG_B }),
    ];
    await ingest(streamBatch(messages));
    const ledger = await rowsOf('select * from ingest_ledger order by org_id');
    const again = await ingest(streamBatch(messages, { replay: true }));
    expect(again).toMatchObject({ stored: 0, duplicates: 3, conflicts: 1, quarantined: 1 });
    expect(await rowsOf('select * from ingest_ledger order by org_id')).toEqual(ledger);
    expect([await countOf('usage_events'), await countOf('quarantined_events')]).toEqual([2, 2]);
    expect(await rowsOf('select next_offset from ingest_cursors where partition = 0')).toEqual([
      { next_offset: '5' },
    ]);
  });

  it('knows stored events again after their keys have left the dedupe window', async () => {
    const events = [usageEvent(), usageEvent()];
    await ingest(streamBatch(events));
    await database.pool.query('truncate usage_event_keys');
    const result = await ingest(streamBatch([...events, usageEvent()], { firstOffset: 2 }));
    expect(result).toMatchObject({
      stored: 1,
      duplicates: 2,
      outcomes: ['duplicate', 'duplicate', 'stored'],
    });
    expect(await countOf('usage_events')).toBe(3);
  });

  it('sets aside an event that the database cannot store and keeps the others', async () => {
    const batch = streamBatch([usageEvent(), usageEvent(), usageEvent()]);
    const events = batch.events.map((positioned, index) =>
      index === 1
        ? { ...positioned, event: { ...positioned.event, copyLine: positioned.event.copyLine.replace('success', 'lost') } }
        : positioned,
    ); // prettier-ignore
    expect(await ingest({ ...batch, events })).toMatchObject({
      stored: 2,
      quarantined: 1,
      outcomes: ['stored', 'quarantined', 'stored'],
    });
    expect(await rowsOf('select reason, stream_offset from quarantined_events')).toEqual([
      { reason: 'unstorable', stream_offset: '1' },
    ]);
  });

  it('quarantines an event whose day of raw data is about to be dropped, and says so of that event', async () => {
    await database.pool.query("update rollup_state set raw_from = now() - interval '1 day'");
    const old = usageEvent({ occurredAt: new Date(Date.now() - 2 * DAY_MS).toISOString() });
    const result = await ingest(streamBatch([old, usageEvent()]));
    expect(result).toMatchObject({ stored: 1, quarantined: 1, outcomes: ['quarantined', 'stored'] });
    expect(await rowsOf('select reason, event_id from quarantined_events')).toEqual([
      { reason: 'too_late', event_id: old.eventId },
    ]);
  });

  it('notes the hours of late events, once each, and when these occurred', async () => {
    const hourAgo = new Date(Date.now() - 3_600_000);
    await database.pool.query('update rollup_state set watermark = $1', [new Date(Date.now() - 1_800_000)]);
    const hour = new Date(Math.floor(hourAgo.getTime() / 3_600_000) * 3_600_000);
    const at = (second: number) => new Date(hour.getTime() + second * 1_000);
    const late = (second: number) => usageEvent({ occurredAt: at(second).toISOString() });
    const result = await ingest(streamBatch([late(90), late(70), usageEvent()]));
    expect(result).toMatchObject({ stored: 3, late: 2 });
    const noted = 'select org_id, hour, generation, spanned, earliest, latest from dirty_windows';
    const window = { org_id: ORG_A, hour };
    expect(await rowsOf(noted)).toEqual([
      { ...window, generation: '1', spanned: '1', earliest: at(70), latest: at(90) },
    ]);
    await ingest(streamBatch([late(80), late(900)], { firstOffset: 3 }));
    expect(await rowsOf(noted)).toEqual([
      { ...window, generation: '2', spanned: '2', earliest: at(70), latest: at(900) },
    ]);
  });

  it('holds back the announcement of a watermark until the batch has committed', async () => {
    const announcer = await database.pool.connect();
    const batch = await pool.connect();
    try {
      await batch.query('begin');
      await batch.query('select watermark from rollup_state for share');
      const announced = announcer.query(
        "update rollup_state set watermark = now() returning 'announced' as state",
      );
      const first = await Promise.race([
        announced,
        new Promise((resolve) => setTimeout(resolve, 150, 'waiting')),
      ]);
      expect(first).toBe('waiting');
      await batch.query('commit');
      expect((await announced).rows).toEqual([{ state: 'announced' }]);
    } finally {
      announcer.release();
      batch.release();
    }
  });

  it('asks for another attempt while the database is away, and stores nothing twice', async () => {
    const batch = streamBatch([usageEvent()]);
    await ingest(streamBatch([usageEvent()], { partition: 1 }));
    const blocker = await database.pool.connect();
    await blocker.query('begin; select * from ingest_cursors for update');
    const pending = ingest(batch);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await database.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'usage-analytics ingest' and datname = current_database()",
    );
    const failure: unknown = await pending.catch((error: unknown) => error);
    await blocker.query('rollback');
    blocker.release();
    expect(failure).toBeInstanceOf(AppError);
    expect(failure).toMatchObject({ kind: 'unavailable' });
    expect(await ingest(batch)).toMatchObject({ stored: 1 });
  });

  it('stores the same rows in whatever way they are spread over two partitions and batches', async () => {
    const events = Array.from({ length: 60 }, (_, n) => usageEvent({ orgId: n % 2 ? ORG_A : ORG_B }));
    const lanes = [0, 1].map((partition) => ({
      partition,
      events: events.filter((_, n) => n % 2 === partition),
    }));
    await Promise.all(
      lanes.map(async ({ partition, events: lane }) => {
        for (let start = 0; start < lane.length; start += 10) {
          await ingest(streamBatch(lane.slice(start, start + 10), { partition, firstOffset: start }));
        }
      }),
    );
    expect(await countOf('usage_events')).toBe(60);
    expect(await rowsOf('select sum(requests)::integer as requests from usage_15min')).toEqual([
      { requests: 60 },
    ]);
  });

  it('stores an event once that two partitions hold and that arrived on two days', async () => {
    const yesterday = new Date(Date.now() - DAY_MS);
    const event = usageEvent({ occurredAt: new Date(yesterday.getTime() - 1_000).toISOString() });
    const moved = { ...event, occurredAt: new Date(Date.now() - 1_000).toISOString() };
    const blocker = await database.pool.connect();
    try {
      await blocker.query('begin; lock table ingest_batches in share mode');
      const pending = [
        ingest(streamBatch([event], { receivedAt: yesterday })),
        ingest(streamBatch([moved], { partition: 1 })),
      ];
      await eventually(async () => {
        expect(
          await rowsOf(
            `select count(*)::integer as waiting from pg_stat_activity
             where application_name = 'usage-analytics ingest' and datname = current_database() and wait_event_type = 'Lock'`,
          ),
        ).toEqual([{ waiting: 2 }]);
      });
      await blocker.query('commit');
      const stored = (await Promise.all(pending)).map((result) => result.stored);
      expect(stored.sort()).toEqual([0, 1]);
    } finally {
      blocker.release();
    }
    expect(await countOf('usage_events')).toBe(1);
  });
});
