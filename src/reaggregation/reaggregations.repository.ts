import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Brackets, DataSource, type EntityManager } from 'typeorm';
import { isUniqueViolation } from '../platform/database/postgres-errors';
import { AppError } from '../shared/errors';
import type { ListPosition } from '../shared/list-cursor';
import { Reaggregation, type ReaggregationState } from './reaggregation.entity';

/** A job that one worker has for one attempt; every step of the work proves it. */
export type Claim = Pick<Reaggregation, 'jobId' | 'attempt'>;

export type NewReaggregation = Pick<Reaggregation, 'windowStart' | 'windowEnd' | 'orgId' | 'requestedBy'>;

/** A worker that was silent for this long has lost its job. */
export const REAGGREGATION_LEASE_MS = 30_000;

const OPEN: readonly ReaggregationState[] = ['pending', 'running'];
const DUE = `job.state = 'pending' and job.available_at <= now()`;
const ABANDONED = `job.state = 'running' and job.heartbeat_at < now() - make_interval(secs => :lease)`;

/**
 * The rows of re-aggregations. All times are the database's. A worker that was presumed dead and comes back changes
 * nothing: its attempt is an older one.
 */
@Injectable()
export class Reaggregations {
  /** TypeORM's repository of the entity can only be had once the database is there. */
  constructor(private readonly dataSource: DataSource) {}

  /** Adds a job, or answers the open one of the same window and organisation. */
  async add(job: NewReaggregation): Promise<Reaggregation> {
    // An open one may end between the two statements: then the next attempt adds.
    for (;;) {
      const jobId = randomUUID();
      try {
        await this.manager.insert(Reaggregation, { ...job, jobId, rebuiltThrough: job.windowStart });
        return await this.manager.findOneByOrFail(Reaggregation, { jobId });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
      }
      const { windowStart, windowEnd, orgId } = job;
      const open = await this.manager
        .createQueryBuilder(Reaggregation, 'job')
        .where('job.windowStart = :windowStart and job.windowEnd = :windowEnd', { windowStart, windowEnd })
        .andWhere('job.orgId is not distinct from :orgId and job.state in (:...open)', { orgId, open: OPEN })
        .getOne();
      if (open) return open;
    }
  }

  async find(jobId: string): Promise<Reaggregation> {
    const job = await this.manager.findOneBy(Reaggregation, { jobId });
    if (!job) throw new AppError('not_found', 'There is no such re-aggregation.');
    return job;
  }

  /** Newest first. */
  async list(
    state: ReaggregationState | null,
    after: ListPosition | null,
    limit: number,
  ): Promise<Reaggregation[]> {
    const query = this.manager
      .createQueryBuilder(Reaggregation, 'job')
      .orderBy('job.requestedAt', 'DESC')
      .addOrderBy('job.jobId', 'DESC')
      .limit(limit);
    if (state) query.andWhere('job.state = :state', { state });
    if (after) {
      const requestedAt = new Date(Number(after.micros) / 1_000);
      query.andWhere('(job.requestedAt, job.jobId) < (:requestedAt, :jobId)', { requestedAt, jobId: after.id }); // prettier-ignore
    }
    return query.getMany();
  }

  /** Gives the job that has waited longest to `worker`, or one whose worker fell silent; `undefined` without any. */
  async claim(worker: string, jobId?: string): Promise<Reaggregation | undefined> {
    return this.manager.transaction(async (manager) => {
      const query = manager
        .createQueryBuilder(Reaggregation, 'job')
        .setLock('pessimistic_write')
        .setOnLocked('skip_locked')
        .where(new Brackets((due) => due.where(DUE).orWhere(ABANDONED)))
        .setParameters({ lease: REAGGREGATION_LEASE_MS / 1_000 })
        .orderBy('job.availableAt')
        .limit(1);
      if (jobId !== undefined) query.andWhere('job.jobId = :jobId', { jobId });
      const job = await query.getOne();
      if (!job) return undefined;
      await manager
        .createQueryBuilder()
        .update(Reaggregation)
        .set({
          state: 'running',
          attempt: job.attempt + 1,
          ...(job.state === 'running' && { failures: job.failures + 1 }),
          worker,
          startedAt: () => 'coalesce(started_at, now())',
          heartbeatAt: () => 'now()',
        })
        .where({ jobId: job.jobId })
        .execute();
      return manager.findOneByOrFail(Reaggregation, { jobId: job.jobId });
    });
  }

  /** Says that the attempt goes on; `false` when it is no longer the worker's, and must end. */
  async heartbeat(claim: Claim): Promise<boolean> {
    return this.change(claim, { heartbeatAt: () => 'now()' });
  }

  /** Records that everything below `rebuiltThrough` is done, with `rows` more events read. */
  async advance(claim: Claim, rebuiltThrough: Date, rows: string): Promise<boolean> {
    return this.change(claim, {
      rebuiltThrough,
      failures: 0,
      rowsRead: () => `rows_read + ${BigInt(rows)}`,
      heartbeatAt: () => 'now()',
    });
  }

  async succeed(claim: Claim): Promise<boolean> {
    return this.change(claim, { state: 'succeeded', failure: null, finishedAt: () => 'now()' });
  }

  /** Ends the attempt: tried again after `delay` milliseconds, or not at all when that is `null`. */
  async fail(claim: Claim, failure: string, delay: number | null): Promise<boolean> {
    const failed = { failure, failures: () => 'failures + 1', worker: null };
    if (delay === null) return this.change(claim, { ...failed, state: 'failed', finishedAt: () => 'now()' });
    const availableAt = (): string => 'now() + make_interval(secs => :delay)';
    return this.change(claim, { ...failed, state: 'pending', availableAt }, { delay: delay / 1_000 });
  }

  /** Gives the job back without it having failed: this process is being shut down. */
  async release(claim: Claim): Promise<boolean> {
    return this.change(claim, { state: 'pending', worker: null, availableAt: () => 'now()' });
  }

  /** Cancels an open job, whoever works on it. `false` when it was not open any more. */
  async cancel(jobId: string): Promise<boolean> {
    const { affected } = await this.manager
      .createQueryBuilder()
      .update(Reaggregation)
      .set({ state: 'cancelled', finishedAt: () => 'now()' })
      .where('job_id = :jobId and state in (:...open)', { jobId, open: OPEN })
      .execute();
    return affected === 1;
  }

  private get manager(): EntityManager {
    if (this.dataSource.isInitialized) return this.dataSource.manager;
    throw new AppError('unavailable', 'The database is not ready yet; try again.', { retryAfterSeconds: 5 });
  }

  private async change(
    { jobId, attempt }: Claim,
    values: Parameters<ReturnType<ReturnType<EntityManager['createQueryBuilder']>['update']>['set']>[0],
    parameters: Readonly<Record<string, number>> = {},
  ): Promise<boolean> {
    const { affected } = await this.manager
      .createQueryBuilder()
      .update(Reaggregation)
      .set(values)
      .where({ jobId, attempt, state: 'running' })
      .setParameters(parameters)
      .execute();
    return affected === 1;
  }
}
