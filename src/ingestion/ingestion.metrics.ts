import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { Counter, Gauge, Histogram } from 'prom-client';
import { Config } from '../platform/config/config';
import { UsageBatchStored } from '../shared/messages/usage-batch-stored.event';
import { IngestionProgress, type PartitionProgress } from './ingestion-progress';

const events = new Counter({
  name: 'ingest_events_total',
  help: 'Events taken in, by what became of them.',
  labelNames: ['outcome'],
});
// From the first scrape on, or the first increase of each would be seen as none.
for (const outcome of ['stored', 'duplicate', 'conflict', 'quarantined', 'late']) events.inc({ outcome }, 0);
const batchEvents = new Histogram({
  name: 'ingest_batch_events',
  help: 'Events of a committed batch.',
  buckets: [1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000],
});
const batchSeconds = new Histogram({
  name: 'ingest_batch_duration_seconds',
  help: 'Duration of the transaction of a batch.',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
});

/** Offsets that no longer existed when they were to be read; each has a row in `data_gaps`. */
export const dataGaps = new Counter({
  name: 'ingest_data_gaps_total',
  help: 'Gaps found in the stream, by partition and kind.',
  labelNames: ['partition', 'kind'],
});

/** Of committed messages, as the stream holds them: what its size limit is used up by. */
export const streamBytes = new Counter({
  name: 'ingest_stream_bytes_total',
  help: 'Bytes of committed messages, by partition.',
  labelNames: ['partition'],
});

let partitions: () => readonly Pick<
  PartitionProgress,
  'partition' | 'backlog' | 'dataThrough' | 'ownedAt'
>[] = () => [];

new Gauge({
  name: 'ingest_backlog_messages',
  help: 'Messages of the stream behind the cursor, at least, by partition of this process.',
  labelNames: ['partition'],
  collect() {
    this.reset();
    for (const { partition, backlog } of partitions()) this.set({ partition }, backlog);
  },
});
new Gauge({
  name: 'ingest_lag_seconds',
  help: 'Age of the instant up to which all events of a partition are committed, by partition of this process.',
  labelNames: ['partition'],
  collect() {
    this.reset();
    // Of a stream that was never read: its age in this process, so that it is told of at all.
    for (const { partition, dataThrough, ownedAt } of partitions())
      this.set({ partition }, Math.max(0, (Date.now() - (dataThrough ?? ownedAt)) / 1_000));
  },
});

const streamMaxBytes = new Gauge({
  name: 'ingest_stream_max_bytes',
  help: 'AMQP_STREAM_MAX_BYTES of this process: above it a stream drops its oldest segments.',
});
const streamMaxAge = new Gauge({
  name: 'ingest_stream_max_age_seconds',
  help: 'AMQP_STREAM_MAX_AGE of this process: a stream drops segments that are older.',
});

/** Counts what was committed; nothing is counted twice, because a batch is committed once. */
@EventsHandler(UsageBatchStored)
export class IngestionMetrics implements IEventHandler<UsageBatchStored> {
  constructor(progress: IngestionProgress, config: Config) {
    const { amqpUrl, amqpStreamMaxBytes, amqpStreamMaxAge, serviceRoles } = config;
    // Without a broker there is nothing to lag behind: a request is answered after the commit.
    const isDirect = amqpUrl === null && serviceRoles.includes('ingest');
    partitions = () =>
      isDirect ? [{ partition: 0, backlog: 0, dataThrough: Date.now(), ownedAt: 0 }] : progress.all();
    streamMaxBytes.set(amqpStreamMaxBytes);
    streamMaxAge.set(amqpStreamMaxAge / 1_000);
  }

  handle({ result, seconds }: UsageBatchStored): void {
    events.inc({ outcome: 'stored' }, result.stored);
    events.inc({ outcome: 'duplicate' }, result.duplicates);
    events.inc({ outcome: 'conflict' }, result.conflicts);
    events.inc({ outcome: 'quarantined' }, result.quarantined);
    events.inc({ outcome: 'late' }, result.late);
    batchEvents.observe(result.received);
    batchSeconds.observe(seconds);
  }
}
