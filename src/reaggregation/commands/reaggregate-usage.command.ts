import { performance } from 'node:perf_hooks';
import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import { Leases } from '../../platform/database/lease';
import { isTransient } from '../../platform/database/postgres-errors';
import { WorkerPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { ROLLUPS_LEASE, StorageEngine } from '../../platform/database/storage-engine';
import { RollupsRefreshed } from '../../shared/messages/rollups-refreshed.event';
import { DAY_MS } from '../../shared/time-zone';
import type { Reaggregation } from '../reaggregation.entity';
import { REAGGREGATION_LEASE_MS, Reaggregations } from '../reaggregations.repository';

const countEvents = sql('reaggregation/count-events');

const MAX_FAILURES = 10;
const FIRST_PAUSE_MS = 2_000;
/** How long to wait for a refresh or an expiry that is under way. */
const WAIT_MS = 120_000;

export type ReaggregationOutcome = 'succeeded' | 'failed' | 'retried' | 'released' | 'superseded';

/** Makes one attempt at a job that was claimed, from where the last one got to; an aborted `signal` gives it back. */
export class ReaggregateUsageCommand extends Command<ReaggregationOutcome> {
  constructor(
    readonly job: Reaggregation,
    readonly signal: AbortSignal,
  ) {
    super();
  }
}

/** Somebody else has the job by now, or nobody: it was taken over or cancelled. */
class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/**
 * Rebuilds a day at a time and records each, so that what was done is neither lost nor done again. Doing a day again
 * changes nothing. Never throws.
 */
@CommandHandler(ReaggregateUsageCommand)
export class ReaggregateUsageHandler implements ICommandHandler<ReaggregateUsageCommand> {
  private readonly logger = new Logger(ReaggregateUsageHandler.name);

  constructor(
    private readonly jobs: Reaggregations,
    private readonly engine: StorageEngine,
    private readonly leases: Leases,
    private readonly pool: WorkerPool,
    private readonly events: EventBus,
  ) {}

  async execute({ job, signal }: ReaggregateUsageCommand): Promise<ReaggregationOutcome> {
    const lost = new AbortController();
    const heartbeat = setInterval(() => {
      this.jobs.heartbeat(job).then(
        (ours) => ours || lost.abort(new SupersededError('The job is not ours any more.')),
        (err: unknown) => this.logger.warn({ err, jobId: job.jobId }, 'A re-aggregation could not be kept'),
      );
    }, REAGGREGATION_LEASE_MS / 6);
    try {
      await this.rebuild(job, AbortSignal.any([signal, lost.signal]));
      return 'succeeded';
    } catch (error) {
      return await this.settle(job, signal.aborted, lost.signal.aborted ? lost.signal.reason : error);
    } finally {
      clearInterval(heartbeat);
    }
  }

  private async rebuild(job: Reaggregation, signal: AbortSignal): Promise<void> {
    const { windowStart, windowEnd, orgId, failures } = job;
    // Days that end their workers are not tried for ever.
    if (failures >= MAX_FAILURES)
      throw new Error(`The process that rebuilt ended unexpectedly, ${failures} times.`);
    const began = performance.now();
    for (let start = job.rebuiltThrough; start < windowEnd;) {
      const nextDay = new Date((Math.floor(start.getTime() / DAY_MS) + 1) * DAY_MS);
      const end = nextDay < windowEnd ? nextDay : windowEnd;
      await this.rebuildDay({ start, end }, orgId, signal);
      const { rows } = await this.pool.query<{ events: string }>({
        ...countEvents,
        values: [start, end, orgId],
      });
      await this.assertOurs(this.jobs.advance(job, end, rows[0]?.events ?? '0'));
      start = end;
    }
    await this.assertOurs(this.jobs.succeed(job));
    const seconds = (performance.now() - began) / 1_000;
    this.events.publish(
      new RollupsRefreshed(windowStart, windowEnd, orgId === null ? null : [orgId], seconds),
    );
  }

  private async rebuildDay(
    window: { start: Date; end: Date },
    orgId: string | null,
    signal: AbortSignal,
  ): Promise<void> {
    const done = await this.leases.run(
      ROLLUPS_LEASE,
      async (lease) => {
        signal.throwIfAborted();
        lease.assertHeld();
        try {
          await this.engine.rebuild(window, orgId, signal);
        } catch (error) {
          // What it has mended is not in the rollups above yet, and a job that was cancelled does not come back for it.
          if (signal.aborted) await this.engine.refresh([window]);
          throw error;
        }
        return true;
      },
      { waitMs: WAIT_MS, signal },
    );
    if (!done) throw new Error('A refresh or an expiry of data takes long.');
  }

  private async assertOurs(change: Promise<boolean>): Promise<void> {
    if (!(await change)) throw new SupersededError('The job is not ours any more.');
  }

  private async settle(job: Reaggregation, released: boolean, error: unknown): Promise<ReaggregationOutcome> {
    const { jobId, attempt, failures } = job;
    try {
      if (released && (await this.jobs.release(job))) return 'released';
      if (released || error instanceof SupersededError) return 'superseded';
      const final = failures + 1 >= MAX_FAILURES;
      const delay = final ? null : FIRST_PAUSE_MS * 2 ** failures;
      if (!(await this.jobs.fail(job, reasonOf(error), delay))) return 'superseded';
      const fields = { err: error, jobId, attempt };
      if (final) this.logger.error(fields, 'A re-aggregation failed and is given up');
      else this.logger.warn({ ...fields, delay }, 'A re-aggregation failed and is tried again');
      return final ? 'failed' : 'retried';
    } catch (err) {
      // Its lease runs out, and the next attempt goes on from what is recorded.
      this.logger.warn({ err, jobId, attempt }, 'What came of a re-aggregation could not be recorded');
      return 'superseded';
    }
  }
}

/** A sentence for whoever asked; nothing of the inside. */
function reasonOf(error: unknown): string {
  if (isTransient(error)) return 'The database was busy or away.';
  return 'Something unforeseen happened; the log has it under the id of this re-aggregation.';
}
