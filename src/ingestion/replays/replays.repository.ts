import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Brackets, DataSource, type EntityManager } from 'typeorm';
import { isUniqueViolation } from '../../platform/database/postgres-errors';
import { AppError } from '../../shared/errors';
import type { ListPosition } from '../../shared/list-cursor';
import { Replay, type ReplayCounts, type ReplayState } from './replay.entity';

/** A replay that one process has for one attempt; every step of the work proves it. */
export type Claim = Pick<Replay, 'replayId' | 'attempt'>;

export type NewReplay = Pick<
  Replay,
  'partition' | 'incarnation' | 'fromOffset' | 'fromTime' | 'toOffset' | 'requestedBy'
>;

/** A process that was silent for this long has lost its replay. */
export const REPLAY_LEASE_MS = 30_000;

const OPEN: readonly ReplayState[] = ['pending', 'running'];
const DUE = `replay.state = 'pending' and replay.available_at <= now()`;
const ABANDONED = `replay.state = 'running' and replay.heartbeat_at < now() - make_interval(secs => :lease)`;

/** The rows of replays. All times are the database's; what an older attempt says is ignored. */
@Injectable()
export class Replays {
  /** TypeORM's repository of the entity can only be had once the database is there. */
  constructor(private readonly dataSource: DataSource) {}

  /** Adds a replay, or answers the open one of the partition when it is the same. Throws `conflict` when it is not. */
  async add(replay: NewReplay): Promise<Replay> {
    for (;;) {
      const replayId = randomUUID();
      try {
        await this.manager.insert(Replay, { ...replay, replayId });
        return await this.manager.findOneByOrFail(Replay, { replayId });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
      }
      const { partition, fromOffset, fromTime } = replay;
      const open = await this.manager
        .createQueryBuilder(Replay, 'replay')
        .where('replay.partition = :partition and replay.state in (:...open)', { partition, open: OPEN })
        .getOne();
      // It may have ended meanwhile: then the next attempt adds.
      if (!open) continue;
      if (open.fromOffset === fromOffset && open.fromTime?.getTime() === fromTime?.getTime()) return open;
      throw new AppError('conflict', `Partition ${partition} is being replayed by ${open.replayId}: wait for it, or cancel it.`); // prettier-ignore
    }
  }

  async find(replayId: string): Promise<Replay> {
    const replay = await this.manager.findOneBy(Replay, { replayId });
    if (!replay) throw new AppError('not_found', 'There is no such replay.');
    return replay;
  }

  /** Newest first. */
  async list(state: ReplayState | null, after: ListPosition | null, limit: number): Promise<Replay[]> {
    const query = this.manager
      .createQueryBuilder(Replay, 'replay')
      .orderBy('replay.requestedAt', 'DESC')
      .addOrderBy('replay.replayId', 'DESC')
      .limit(limit);
    if (state) query.andWhere('replay.state = :state', { state });
    if (after) {
      const requestedAt = new Date(Number(after.micros) / 1_000);
      query.andWhere('(replay.requestedAt, replay.replayId) < (:requestedAt, :id)', { requestedAt, id: after.id }); // prettier-ignore
    }
    return query.getMany();
  }

  /** Gives the replay that has waited longest to `worker`, or one whose process fell silent; `undefined` without any. */
  async claim(worker: string): Promise<Replay | undefined> {
    return this.manager.transaction(async (manager) => {
      const replay = await manager
        .createQueryBuilder(Replay, 'replay')
        .setLock('pessimistic_write')
        .setOnLocked('skip_locked')
        .where(new Brackets((due) => due.where(DUE).orWhere(ABANDONED)))
        .setParameters({ lease: REPLAY_LEASE_MS / 1_000 })
        .orderBy('replay.availableAt')
        .limit(1)
        .getOne();
      if (!replay) return undefined;
      await manager
        .createQueryBuilder()
        .update(Replay)
        .set({
          state: 'running',
          attempt: replay.attempt + 1,
          ...(replay.state === 'running' && { failures: replay.failures + 1 }),
          worker,
          startedAt: () => 'coalesce(started_at, now())',
          heartbeatAt: () => 'now()',
        })
        .where({ replayId: replay.replayId })
        .execute();
      return manager.findOneByOrFail(Replay, { replayId: replay.replayId });
    });
  }

  /** Says that the attempt goes on; `false` when it is no longer the process's, and must end. */
  async heartbeat(claim: Claim): Promise<boolean> {
    return this.change(claim, { heartbeatAt: () => 'now()' });
  }

  /** Records that everything below `nextOffset` is read, with what was found since the last time. */
  async advance(claim: Claim, nextOffset: number, counts: ReplayCounts): Promise<boolean> {
    const added = Object.fromEntries(
      Object.entries(counts).map(([name, count]) => [name, () => `${name} + ${BigInt(count as number)}`]),
    );
    return this.change(claim, {
      ...added,
      nextOffset: String(nextOffset),
      failures: 0,
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

  /** Gives the replay back without it having failed: this process is being shut down. */
  async release(claim: Claim): Promise<boolean> {
    return this.change(claim, { state: 'pending', worker: null, availableAt: () => 'now()' });
  }

  /** Cancels an open replay, whoever works on it. */
  async cancel(replayId: string): Promise<void> {
    await this.manager
      .createQueryBuilder()
      .update(Replay)
      .set({ state: 'cancelled', finishedAt: () => 'now()' })
      .where('replay_id = :replayId and state in (:...open)', { replayId, open: OPEN })
      .execute();
  }

  private get manager(): EntityManager {
    if (this.dataSource.isInitialized) return this.dataSource.manager;
    throw new AppError('unavailable', 'The database is not ready yet; try again.', { retryAfterSeconds: 5 });
  }

  private async change(
    { replayId, attempt }: Claim,
    values: Parameters<ReturnType<ReturnType<EntityManager['createQueryBuilder']>['update']>['set']>[0],
    parameters: Readonly<Record<string, number>> = {},
  ): Promise<boolean> {
    const { affected } = await this.manager
      .createQueryBuilder()
      .update(Replay)
      .set(values)
      .where({ replayId, attempt, state: 'running' })
      .setParameters(parameters)
      .execute();
    return affected === 1;
  }
}
