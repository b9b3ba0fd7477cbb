import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { DAY_MS, HOUR_MS, startOfBucket } from '../../platform/database/bucket-windows';
import { type Lease, Leases } from '../../platform/database/lease';
import { ROLLUPS_LEASE, StorageEngine } from '../../platform/database/storage-engine';
import { Clock } from '../../shared/clock';
import { RollupsRefreshed } from '../../shared/messages/rollups-refreshed.event';
import { rollupDirtyWindows } from '../rollup.metrics';
import { type DirtyWindow, type RollupProgress, RollupState } from '../rollup-state';

/** Dirty hours are refreshed so many at a time that it takes about so many seconds; in between the watermark moves. */
const STEP_S = 5;

export interface RefreshResult {
  /** Rollups are materialised up to here; `null` when nothing could be announced yet. */
  readonly watermark: Date | null;
  /** Dirty windows that were refreshed. */
  readonly refreshedWindows: number;
}

/**
 * Materialises the rollups up to ROLLUP_REFRESH_LAG ago and refreshes what late events have touched below. Answers
 * `undefined` when another process is at it. Interrupted at any point, the next run completes it: what was announced
 * and not materialised is materialised then, and a dirty window is forgotten only after it was refreshed. Where late
 * events make long work, the watermark goes on moving every ROLLUP_REFRESH_INTERVAL, between two steps of it.
 */
export class RefreshRollupsCommand extends Command<RefreshResult | undefined> {
  constructor(readonly signal?: AbortSignal) {
    super();
  }
}

@CommandHandler(RefreshRollupsCommand)
export class RefreshRollupsHandler implements ICommandHandler<RefreshRollupsCommand> {
  private readonly logger = new Logger(RefreshRollupsHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly leases: Leases,
    private readonly engine: StorageEngine,
    private readonly state: RollupState,
    private readonly events: EventBus,
  ) {}

  execute({ signal }: RefreshRollupsCommand): Promise<RefreshResult | undefined> {
    return this.leases.run(ROLLUPS_LEASE, async (lease) => {
      const goOn = (): void => {
        signal?.throwIfAborted();
        lease.assertHeld();
      };
      let watermark = await this.moveWatermark(goOn);
      let movedAt = this.clock.now().getTime();
      let refreshedWindows = 0;
      let hours = 1;
      let claimed = await this.state.claimDirtyWindows(null, hours);
      for (let last: DirtyWindow | undefined; (last = claimed.at(-1));) {
        goOn();
        const seconds = await this.refreshLate(claimed);
        refreshedWindows += claimed.length;
        if (this.clock.now().getTime() - movedAt >= this.config.rollupRefreshInterval) {
          watermark = await this.moveWatermark(goOn);
          movedAt = this.clock.now().getTime();
        }
        hours = seconds < STEP_S / 2 ? hours * 2 : 1;
        claimed = await this.state.claimDirtyWindows(last.hour, hours);
      }
      rollupDirtyWindows.set(refreshedWindows);
      return { watermark, refreshedWindows };
    });
  }

  private async moveWatermark(goOn: Lease['assertHeld']): Promise<Date | null> {
    const progress = await this.state.read();
    const watermark = await this.announce(progress);
    if (watermark) await this.advance(progress, watermark, goOn);
    return watermark;
  }

  private async announce({ watermark }: RollupProgress): Promise<Date | null> {
    const settled = this.clock.now().getTime() - this.config.rollupRefreshLag;
    const target = startOfBucket(new Date(settled), this.engine.watermarkStep);
    // A clock that is behind the one of the process before us takes nothing back.
    if (watermark && target <= watermark) return watermark;
    await this.engine.noticeChangesBelow(target);
    if (await this.state.announce(target)) return target;
    this.logger.warn({ watermark: target }, 'A batch takes so long that the watermark stays where it is');
    return watermark;
  }

  /** A day at a time, so that a long way neither holds locks for long nor is lost when it is interrupted. */
  private async advance(progress: RollupProgress, watermark: Date, goOn: Lease['assertHeld']): Promise<void> {
    const { materializedThrough } = progress;
    if (materializedThrough && materializedThrough >= watermark) return;
    let start = earlier(materializedThrough ?? (await this.engine.oldestEvent()) ?? watermark, watermark);
    do {
      goOn();
      const began = performance.now();
      const nextDay = new Date(startOfBucket(start, DAY_MS).getTime() + DAY_MS);
      const end = earlier(nextDay, watermark);
      await this.engine.advance({ start, end });
      this.events.publish(new RollupsRefreshed(start, end, null, secondsSince(began)));
      start = end;
    } while (start < watermark);
  }

  /** Answers how many seconds it took. */
  private async refreshLate(claimed: readonly DirtyWindow[]): Promise<number> {
    const [first] = claimed;
    const last = claimed.at(-1);
    if (!first || !last) return 0;
    const { rawFrom } = await this.state.read();
    if (rawFrom && first.hour < rawFrom) {
      this.logger.error({ hour: first.hour, rawFrom }, 'Events were stored below the horizon of raw data');
    }
    const began = performance.now();
    await this.engine.refresh(claimed.map(({ touched }) => touched));
    await this.state.forgetDirtyWindows(claimed);
    const seconds = secondsSince(began);
    const orgIds = [...new Set(claimed.map(({ orgId }) => orgId))];
    const end = new Date(last.hour.getTime() + HOUR_MS);
    this.events.publish(new RollupsRefreshed(first.hour, end, orgIds, seconds));
    return seconds;
  }
}

function earlier(left: Date, right: Date): Date {
  return left < right ? left : right;
}

function secondsSince(began: number): number {
  return (performance.now() - began) / 1_000;
}
