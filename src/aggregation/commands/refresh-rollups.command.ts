import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { DAY_MS, HOUR_MS, startOfBucket } from '../../platform/database/bucket-windows';
import { type Lease, Leases } from '../../platform/database/lease';
import { type RefreshWindow, ROLLUPS_LEASE, StorageEngine } from '../../platform/database/storage-engine';
import { Clock } from '../../shared/clock';
import { RollupsRefreshed } from '../../shared/messages/rollups-refreshed.event';
import { noteMaterializedThrough, rollupDirtyWindows } from '../rollup.metrics';
import { type DirtyWindow, type RollupProgress, RollupState } from '../rollup-state';

/** So many dirty hours are refreshed before the watermark may move again: one is 10,800,000 events at 3,000 a second. */
const HOURS_PER_STEP = 2;

export interface RefreshResult {
  /** Rollups are materialised up to here; `null` when nothing could be announced yet. */
  readonly watermark: Date | null;
  /** Dirty windows that were refreshed. */
  readonly refreshedWindows: number;
}

/**
 * Materialises the rollups up to ROLLUP_REFRESH_LAG ago and refreshes what late events have touched below. Answers
 * `undefined` when another process is at it. Interrupted at any point, the next run completes it: what was announced
 * and not materialised is materialised then, and a dirty window is forgotten only after it was refreshed.
 *
 * The newest hours come first, and where older ones make long work, the watermark moves on every
 * ROLLUP_REFRESH_INTERVAL, and the newest hours are refreshed again, between two steps of it.
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
      let moved = await this.moveWatermark(goOn);
      let { refreshedWindows } = moved;
      const { newestHours } = moved;
      let movedAt = this.clock.now().getTime();
      if (newestHours) {
        const older = await this.refreshLate(null, newestHours, async () => {
          goOn();
          if (this.clock.now().getTime() - movedAt < this.config.rollupRefreshInterval) return;
          moved = await this.moveWatermark(goOn);
          refreshedWindows += moved.refreshedWindows;
          movedAt = this.clock.now().getTime();
        });
        refreshedWindows += older;
      }
      rollupDirtyWindows.set(refreshedWindows);
      return { watermark: moved.watermark, refreshedWindows };
    });
  }

  /** Refreshes what is dirty since the hour in which rollups ended, too; `newestHours` is the beginning of that. */
  private async moveWatermark(goOn: () => void): Promise<RefreshResult & { newestHours: Date | null }> {
    const progress = await this.state.read();
    const watermark = await this.announce(progress);
    if (watermark) await this.advance(progress, watermark, goOn);
    const { materializedThrough } = progress;
    const newestHours = materializedThrough && startOfBucket(materializedThrough, HOUR_MS);
    const refreshedWindows = await this.refreshLate(newestHours, null, goOn);
    return { watermark, refreshedWindows, newestHours };
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
      noteMaterializedThrough(end);
      this.events.publish(new RollupsRefreshed(start, end, null, secondsSince(began)));
      start = end;
    } while (start < watermark);
  }

  /**
   * Refreshes what is dirty within `[from, to)`, `null` being no limit, a day after the other, and answers how many
   * windows that were. A day is added up once, when its hours are done.
   */
  private async refreshLate(
    from: Date | null,
    to: Date | null,
    beforeStep: () => Promise<void> | void,
  ): Promise<number> {
    let refreshed = 0;
    let next = from;
    for (;;) {
      const claimed = await this.state.claimDirtyWindows(next, to);
      const [first] = claimed;
      if (!first) return refreshed;
      const { rawFrom } = await this.state.read();
      if (rawFrom && first.hour < rawFrom) {
        this.logger.error({ hour: first.hour, rawFrom }, 'Events were stored below the horizon of raw data');
      }
      const began = performance.now();
      for (const step of stepsOf(claimed)) {
        await beforeStep();
        await this.engine.refresh(touchedIn(step), 'hours');
      }
      await beforeStep();
      await this.engine.refresh(touchedIn(claimed), 'days');
      await beforeStep();
      await this.state.forgetDirtyWindows(claimed);
      next = new Date(startOfBucket(first.hour, DAY_MS).getTime() + DAY_MS);
      const orgIds = [...new Set(claimed.map(({ orgId }) => orgId))];
      const last = claimed.at(-1) ?? first;
      const end = new Date(last.hour.getTime() + HOUR_MS);
      this.events.publish(new RollupsRefreshed(first.hour, end, orgIds, secondsSince(began)));
      refreshed += claimed.length;
    }
  }
}

/** Windows of some hours each, in the order of these. */
function stepsOf(windows: readonly DirtyWindow[]): DirtyWindow[][] {
  const hours = [...new Set(windows.map(({ hour }) => hour.getTime()))];
  const steps: DirtyWindow[][] = [];
  for (let first = 0; first < hours.length; first += HOURS_PER_STEP) {
    const step = hours.slice(first, first + HOURS_PER_STEP);
    steps.push(windows.filter(({ hour }) => step.includes(hour.getTime())));
  }
  return steps;
}

function touchedIn(windows: readonly DirtyWindow[]): RefreshWindow[] {
  return windows.map(({ touched }) => touched);
}

function earlier(left: Date, right: Date): Date {
  return left < right ? left : right;
}

function secondsSince(began: number): number {
  return (performance.now() - began) / 1_000;
}
