import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { DAY_MS, startOfBucket } from '../../platform/database/bucket-windows';
import { type Lease, Leases } from '../../platform/database/lease';
import { ROLLUPS_LEASE, StorageEngine } from '../../platform/database/storage-engine';
import { Clock } from '../../shared/clock';
import { RollupsRefreshed } from '../../shared/messages/rollups-refreshed.event';
import { rollupDirtyWindows } from '../rollup.metrics';
import { type DirtyWindow, hourOf, type RollupProgress, RollupState } from '../rollup-state';

/** Dirty windows of one pass; more than that are refreshed in further passes of the same command. */
const WINDOWS_PER_PASS = 10_000;

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
      const progress = await this.state.read();
      const watermark = await this.announce(progress);
      if (watermark) await this.advance(progress, watermark, goOn);
      return { watermark, refreshedWindows: await this.refreshDirtyWindows(progress, goOn) };
    });
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

  private async refreshDirtyWindows({ rawFrom }: RollupProgress, goOn: Lease['assertHeld']): Promise<number> {
    let refreshed = 0;
    let claimed: DirtyWindow[];
    do {
      claimed = await this.state.claimDirtyWindows(WINDOWS_PER_PASS);
      const [first] = claimed;
      const last = claimed.at(-1);
      if (!first || !last) break;
      goOn();
      if (rawFrom && first.hour < rawFrom) {
        this.logger.error({ hour: first.hour, rawFrom }, 'Events were stored below the horizon of raw data');
      }
      const began = performance.now();
      await this.engine.refresh(claimed.map(hourOf));
      await this.state.forgetDirtyWindows(claimed);
      const orgIds = [...new Set(claimed.map(({ orgId }) => orgId))];
      const { end } = hourOf(last);
      this.events.publish(new RollupsRefreshed(first.hour, end, orgIds, secondsSince(began)));
      refreshed += claimed.length;
    } while (claimed.length === WINDOWS_PER_PASS);
    rollupDirtyWindows.set(refreshed);
    return refreshed;
  }
}

function earlier(left: Date, right: Date): Date {
  return left < right ? left : right;
}

function secondsSince(began: number): number {
  return (performance.now() - began) / 1_000;
}
