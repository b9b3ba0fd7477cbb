import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { DAY_MS, HOUR_MS, startOfBucket } from '../../platform/database/bucket-windows';
import { Leases } from '../../platform/database/lease';
import { ROLLUPS_LEASE, StorageEngine } from '../../platform/database/storage-engine';
import { Clock } from '../../shared/clock';
import { RollupState } from '../rollup-state';

/** How long to wait for a refresh that is under way. */
const WAIT_MS = 120_000;

/**
 * Raw events are given up this long after their retention, so that a batch whose oldest event was just inside a late
 * horizon as long as the retention is committed by then.
 */
const GRACE_MS = HOUR_MS;

/**
 * Makes the partitions of the days to come, drops what is past its retention and compresses what is due.
 *
 * Events and rollups go in two runs: one announces from where on they are kept, and a later one drops what lies below. So
 * whoever reads knows before it is gone, and still does when the retention has become longer. Events are announced when
 * every rollup below is final: no refresh that began before can still be reading them. Answers the instant announced for
 * events, or `undefined` when a refresh kept the lease.
 */
export class ExpireDataCommand extends Command<{ rawFrom: Date | null } | undefined> {
  constructor(readonly signal?: AbortSignal) {
    super();
  }
}

@CommandHandler(ExpireDataCommand)
export class ExpireDataHandler implements ICommandHandler<ExpireDataCommand> {
  private readonly logger = new Logger(ExpireDataHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly leases: Leases,
    private readonly engine: StorageEngine,
    private readonly state: RollupState,
  ) {}

  async execute({ signal }: ExpireDataCommand): Promise<{ rawFrom: Date | null } | undefined> {
    const now = this.clock.now();
    await this.engine.prepare(now);
    return this.leases.run(ROLLUPS_LEASE, () => this.expire(now), { waitMs: WAIT_MS, signal });
  }

  private async expire(now: Date): Promise<{ rawFrom: Date | null }> {
    const { config } = this;
    const { rawFrom, keptFrom, materializedThrough } = await this.state.read();
    await this.engine.expire({
      events: rawFrom,
      // A question that began before the last advance still reads the hour that was open then.
      openHour: materializedThrough && startOfBucket(before(materializedThrough, HOUR_MS), HOUR_MS),
      ...keptFrom,
      keys: before(now, config.dedupeWindow),
      batches: before(now, config.rawRetention),
      compression: before(now, config.compressAfter),
    });
    // Where a batch takes long the next run does it.
    await this.state.giveUpRollupsBelow({
      quarterHours: startOfBucket(before(now, config.retention15min), DAY_MS),
      hours: startOfBucket(before(now, config.retentionHourly), DAY_MS),
      days: startOfBucket(before(now, config.retentionDaily), DAY_MS),
    });
    const next = startOfBucket(before(now, config.rawRetention + GRACE_MS), DAY_MS);
    if (rawFrom && next <= rawFrom) return { rawFrom };
    if (await this.state.giveUpEventsBelow(next)) return { rawFrom: next };
    this.logger.warn(
      { rawFrom: next },
      'Events stay past their retention because rollups of them are not final',
    );
    return { rawFrom };
  }
}

function before(now: Date, milliseconds: number): Date {
  return new Date(now.getTime() - milliseconds);
}
