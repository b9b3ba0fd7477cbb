import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Brackets, DataSource, type EntityManager, In, IsNull, LessThanOrEqual, Not } from 'typeorm';
import type { OrgScope } from '../access/principal';
import { Config } from '../platform/config/config';
import { AppError } from '../shared/errors';
import type { ListPosition } from '../shared/list-cursor';
import { ExportJob, type ExportState } from './export-job.entity';
import type { FileSpecification } from './file-specification';

/** A job that one worker has for one attempt; every step of the work proves it. */
export type Claim = Pick<ExportJob, 'jobId' | 'orgId' | 'attempt'>;

export interface NewExportJob {
  readonly specification: FileSpecification;
  readonly requestedBy: string;
  readonly requestHash: Buffer;
  readonly idempotencyKey: string | null;
}

const OPEN: readonly ExportState[] = ['pending', 'running'];

/**
 * The rows of export jobs. All times are the database's, so that the clocks of workers do not matter. A worker that was
 * presumed dead and comes back changes nothing: its attempt is an older one.
 */
@Injectable()
export class ExportJobs {
  /** TypeORM's repository of the entity can only be had once the database is there. */
  constructor(
    private readonly dataSource: DataSource,
    private readonly config: Config,
  ) {}

  /**
   * Adds a job. With an idempotency key that the organisation has used before, answers the job of then; `undefined`
   * while another request with the same key is under way.
   */
  async add(
    { orgId }: Pick<OrgScope, 'orgId'>,
    job: NewExportJob,
  ): Promise<{ job: ExportJob; added: boolean } | undefined> {
    return this.manager.transaction(async (manager) => {
      if (job.idempotencyKey !== null) {
        if (!(await tryLock(manager, `${orgId} ${job.idempotencyKey}`))) return undefined;
        const known = await manager.findOneBy(ExportJob, { orgId, idempotencyKey: job.idempotencyKey });
        if (known) return { job: known, added: false };
      }
      const jobId = randomUUID();
      const { window, filters, ...rest } = job.specification;
      await manager.insert(ExportJob, {
        jobId,
        orgId,
        windowStart: new Date(window.start),
        windowEnd: new Date(window.end),
        ...rest,
        modelIds: [...filters.modelIds],
        clientIds: [...filters.clientIds],
        statuses: [...filters.statuses],
        requestedBy: job.requestedBy,
        requestHash: job.requestHash,
        idempotencyKey: job.idempotencyKey,
      });
      return { job: await manager.findOneByOrFail(ExportJob, { jobId }), added: true };
    });
  }

  async find({ orgId }: Pick<OrgScope, 'orgId'>, jobId: string): Promise<ExportJob | null> {
    return this.manager.findOneBy(ExportJob, { orgId, jobId });
  }

  async findByIdempotencyKey({ orgId }: OrgScope, idempotencyKey: string): Promise<ExportJob | null> {
    return this.manager.findOneBy(ExportJob, { orgId, idempotencyKey });
  }

  /** Newest first. */
  async list(
    { orgId }: OrgScope,
    { states, after, limit }: { states: readonly ExportState[]; after: ListPosition | null; limit: number },
  ): Promise<ExportJob[]> {
    const query = this.manager
      .createQueryBuilder(ExportJob, 'job')
      .where('job.orgId = :orgId', { orgId })
      .orderBy('job.requestedAt', 'DESC')
      .addOrderBy('job.jobId', 'DESC')
      .limit(limit);
    if (states.length > 0) query.andWhere('job.state in (:...states)', { states });
    if (after) {
      const requestedAt = new Date(Number(after.micros) / 1_000);
      query.andWhere('(job.requestedAt, job.jobId) < (:requestedAt, :jobId)', { requestedAt, jobId: after.id }); // prettier-ignore
    }
    return query.getMany();
  }

  async countOpen({ orgId }: OrgScope): Promise<number> {
    return this.manager
      .createQueryBuilder(ExportJob, 'job')
      .where('job.orgId = :orgId and job.state in (:...open)', { orgId, open: OPEN })
      .getCount();
  }

  /**
   * Gives the job that has waited longest to `worker`: one that is due, or one whose worker was silent for EXPORT_LEASE.
   * Two workers never get the same attempt. An organisation has EXPORT_MAX_CONCURRENT_PER_ORG jobs running, give or take
   * what is claimed at the same moment. `undefined` when there is nothing to do.
   */
  async claim(worker: string, jobId?: string): Promise<ExportJob | undefined> {
    return this.manager.transaction(async (manager) => {
      const query = manager
        .createQueryBuilder(ExportJob, 'job')
        .setLock('pessimistic_write')
        .setOnLocked('skip_locked')
        .where(new Brackets((due) => due.where(DUE).orWhere(ABANDONED)))
        .setParameters({
          lease: this.config.exportLease / 1_000,
          limit: this.config.exportMaxConcurrentPerOrg,
        })
        .orderBy('job.availableAt')
        .limit(1);
      if (jobId !== undefined) query.andWhere('job.jobId = :jobId', { jobId });
      const job = await query.getOne();
      if (!job) return undefined;
      const diedOf = job.state === 'running' ? { failures: job.failures + 1 } : {};
      await manager
        .createQueryBuilder()
        .update(ExportJob)
        .set({
          state: 'running',
          attempt: job.attempt + 1,
          worker,
          rowsWritten: '0',
          startedAt: () => 'coalesce(started_at, now())',
          heartbeatAt: () => 'now()',
          ...diedOf,
        })
        .where({ jobId: job.jobId })
        .execute();
      return manager.findOneByOrFail(ExportJob, { jobId: job.jobId });
    });
  }

  /** Says that the attempt goes on; `false` when it is no longer the worker's, and must end. */
  async heartbeat(claim: Claim, rowsWritten: number): Promise<boolean> {
    return this.change(claim, { rowsWritten: String(rowsWritten), heartbeatAt: () => 'now()' });
  }

  /** Ends the attempt with a file; `false` when it was no longer the worker's, and the file is nobody's. */
  async succeed(claim: Claim, artifactKey: string, manifest: string, rows: number): Promise<boolean> {
    const values = {
      state: 'succeeded',
      rowsWritten: String(rows),
      artifactKey,
      manifest,
      failure: null,
      finishedAt: () => 'now()',
      expiresAt: () => 'now() + make_interval(secs => :retention)',
    } as const;
    return this.change(claim, values, { retention: this.config.exportRetention / 1_000 });
  }

  /** Ends the attempt without a file: tried again after `delay` milliseconds, or not at all when that is `null`. */
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
  async cancel({ orgId }: OrgScope, jobId: string): Promise<boolean> {
    const { affected } = await this.manager
      .createQueryBuilder()
      .update(ExportJob)
      .set({ state: 'cancelled', finishedAt: () => 'now()' })
      .where('org_id = :orgId and job_id = :jobId and state in (:...open)', { orgId, jobId, open: OPEN })
      .execute();
    return affected === 1;
  }

  /**
   * Jobs of which nothing should be left in the artifact store at `now`, and whose workers know it by then, but for
   * those with the ids `except`.
   */
  async listToDelete(now: Date, limit: number, except: readonly string[]): Promise<ExportJob[]> {
    const known = LessThanOrEqual(new Date(now.getTime() - 2 * this.config.exportLease));
    const kept = { deletedAt: IsNull(), jobId: Not(In([...except])) };
    return this.manager.find(ExportJob, {
      where: [
        { ...kept, state: 'succeeded', expiresAt: LessThanOrEqual(now) },
        { ...kept, state: 'failed', finishedAt: known },
        { ...kept, state: 'cancelled', finishedAt: known },
      ],
      order: { finishedAt: 'ASC' },
      take: limit,
    });
  }

  /** Nothing of the job is left in the store. */
  async noteDeleted({ jobId }: Pick<ExportJob, 'jobId'>): Promise<void> {
    await this.manager
      .createQueryBuilder()
      .update(ExportJob)
      .set({
        deletedAt: () => 'now()',
        state: () => "case state when 'succeeded' then 'expired' else state end",
      })
      .where({ jobId })
      .execute();
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
      .update(ExportJob)
      .set(values)
      .where({ jobId, attempt, state: 'running' })
      .setParameters(parameters)
      .execute();
    return affected === 1;
  }
}

/** Not more of one organisation at a time than others have a chance beside it. */
const DUE = `job.state = 'pending' and job.available_at <= now() and :limit > (
  select count(*) from export_jobs as other where other.org_id = job.org_id and other.state = 'running')`;
const ABANDONED = `job.state = 'running' and job.heartbeat_at < now() - make_interval(secs => :lease)`;

/** Held until the transaction ends; does not wait. */
async function tryLock(manager: EntityManager, name: string): Promise<boolean> {
  const [row] = await manager.query<{ locked: boolean }[]>(
    'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as locked',
    [name],
  );
  return row?.locked === true;
}
