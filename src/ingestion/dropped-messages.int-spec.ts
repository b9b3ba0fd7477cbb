import { eventually } from '../../test/support/eventually';
import { PROTOCOLS, StreamTrial } from '../../test/support/stream-trial';
import { usageEvent } from '../../test/support/usage-events';

/** 2,000 messages of 3 kB through a stream that keeps 2 MB; at most some hundred are on their way to the reader. */
const SETTINGS = {
  AMQP_STREAM_MAX_BYTES: '2MB',
  AMQP_STREAM_SEGMENT_BYTES: '500kB',
  INGEST_BUFFER_BYTES: '2MB',
  MAX_MESSAGE_BYTES: '50kB',
  INGEST_BATCH_SIZE: '50',
};
const EVENTS = 2_000;
/** 2,000 messages of 3 kB in segments of 500 kB are 12; retention may close some early. */
const MOST_SEGMENTS = 30;

interface Gap {
  readonly kind: string;
  readonly incarnation: number;
  readonly from_offset: number;
  readonly to_offset: number;
}

describe.each(PROTOCOLS)('a stream that drops messages before they are read over %s', (protocol) => {
  let trial: StreamTrial;

  beforeEach(async () => {
    trial = await StreamTrial.begin(protocol);
    await trial.start(SETTINGS);
  });
  afterEach(() => trial.end());

  async function stored(): Promise<string[]> {
    const { rows } = await trial.database.pool.query<{ event_id: string }>(
      'select event_id from usage_events',
    );
    return rows.map(({ event_id }) => event_id);
  }

  async function publishAll(): Promise<string[]> {
    const events = Array.from({ length: EVENTS }, () =>
      usageEvent({ metadata: { padding: 'x'.repeat(3_000) } }),
    );
    for (let part = 0; part < EVENTS; part += 100)
      await trial.producer.publish(events.slice(part, part + 100));
    return events.map(({ eventId }) => eventId);
  }

  /**
   * Holds the gaps against what is not stored: they have at least as many offsets, and at most the few more that a
   * stream skips at the start of its segments. One gap, or more where the reader was so slow that it was overtaken again.
   */
  async function expectGapsToExplainLosses(published: readonly string[]): Promise<void> {
    await eventually(async () => expect(await stored()).toContain(published.at(-1)));
    const known = new Set(await stored());
    const lost = published.filter((id) => !known.has(id));
    expect(lost.length).toBeGreaterThan(100);
    const { rows: gaps } = await trial.database.pool.query<Gap>(
      'select kind, incarnation, from_offset::integer, to_offset::integer from data_gaps order by from_offset',
    );
    expect(gaps.map(({ kind, incarnation }) => [kind, incarnation])).toEqual(
      gaps.map(() => ['truncated', 1]),
    );
    const missing = gaps.reduce((sum, gap) => sum + gap.to_offset - gap.from_offset, 0);
    expect(missing).toBeGreaterThanOrEqual(lost.length);
    expect(missing).toBeLessThanOrEqual(lost.length + MOST_SEGMENTS);
    // The event before all others has offset 0.
    expect(gaps[0]?.from_offset).toBeGreaterThanOrEqual(1 + published.indexOf(lost[0] ?? ''));
  }

  it('is noticed by a reader that comes back, which notes the gap and goes on behind it', async () => {
    await trial.producer.publish([usageEvent()]);
    await eventually(async () => expect(await stored()).toHaveLength(1));
    await trial.replicas.splice(0)[0]?.close();
    const published = await publishAll();
    await trial.start(SETTINGS);
    await expectGapsToExplainLosses(published);
  });

  it('is noticed by a reader in the middle of its session, to which RabbitMQ says nothing', async () => {
    await trial.producer.publish([usageEvent()]);
    await eventually(async () => expect(await stored()).toHaveLength(1));
    const blocker = await trial.database.pool.connect();
    let published: string[];
    try {
      await blocker.query('begin');
      await blocker.query('select from ingest_cursors for update');
      published = await publishAll();
    } finally {
      await blocker.query('rollback');
      blocker.release();
    }
    await expectGapsToExplainLosses(published);
  });
});
