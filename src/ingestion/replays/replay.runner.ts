import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Config } from '../../platform/config/config';
import { DatabaseSchema } from '../../platform/database/database-schema';
import { AppError } from '../../shared/errors';
import { Replays } from './replays.repository';
import { ReplayAttempt } from './replay-attempt';

const LOOK_EVERY_MS = 2_000;
const MAX_FAILURES = 20;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Reads again what operators ask for, one replay at a time, in processes that take in the stream. */
@Injectable()
export class ReplayRunner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(ReplayRunner.name);
  /** Says in the row who has the replay. */
  private readonly name = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly replays: Replays,
    private readonly attempts: ReplayAttempt,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.serviceRoles.includes('ingest')) return;
    void this.schema.ready().then(() => {
      this.running = this.run();
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (let failing = false; !signal.aborted;) {
      try {
        while (!signal.aborted && (await this.work()));
        failing = false;
      } catch (err) {
        if (!failing) this.logger.warn({ err }, 'Replays cannot be claimed now, trying again');
        failing = true;
      }
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Answers whether there was a replay to work on. */
  private async work(): Promise<boolean> {
    const replay = await this.replays.claim(this.name);
    if (!replay) return false;
    const { replayId, partition, attempt, failures } = replay;
    const fields = { replayId, partition, attempt };
    try {
      if (failures >= MAX_FAILURES) throw new AppError('unanswerable', 'The process that read it ended unexpectedly, again and again.'); // prettier-ignore
      const outcome = await this.attempts.make(replay, this.stopping.signal);
      if (outcome === 'released') await this.replays.release(replay);
      this.logger.log({ ...fields, outcome }, 'A replay has ended');
    } catch (err) {
      const final = failures + 1 >= MAX_FAILURES || (err instanceof AppError && err.kind === 'unanswerable');
      const delay = final ? null : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
      const reason =
        err instanceof AppError ? err.message : 'The stream or the database could not be reached.';
      await this.replays.fail(replay, reason, delay);
      if (final) this.logger.error({ ...fields, err }, 'A replay failed and is given up');
      else this.logger.warn({ ...fields, err, delay }, 'A replay failed and is tried again');
    }
    return true;
  }
}
