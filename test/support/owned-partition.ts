import { type IngestResult, IngestUsageCommand } from '../../src/shared/messages/ingest-usage.command';
import { DAY_MS } from '../../src/shared/time-zone';
import type { TestDatabase } from './test-database';
import type { TrialService } from './trial-service';
import { streamBatch } from './usage-events';

/** The default of LATE_HORIZON, which a trial service has. */
const LATE_HORIZON_MS = 7 * DAY_MS;

/** Commits messages as one batch, behind those of the call before. */
export type Stream = (...messages: unknown[]) => Promise<IngestResult>;

/** Makes the caller the owner of partition 0, at the service's own moment. */
export async function ownPartition(database: TestDatabase, service: TrialService): Promise<Stream> {
  await database.pool.query('insert into ingest_cursors (partition, epoch) values (0, 1)');
  let offset = 0;
  return (...messages) => {
    const batch = streamBatch(messages, {
      firstOffset: offset,
      receivedAt: service.now,
      lateHorizon: LATE_HORIZON_MS,
    });
    offset += messages.length;
    return service.commands.execute(new IngestUsageCommand(batch));
  };
}
