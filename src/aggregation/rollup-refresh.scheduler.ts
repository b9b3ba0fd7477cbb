import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { ReadinessChecks } from '../platform/health/readiness-checks';
import { Clock } from '../shared/clock';
import { RefreshRollupsCommand } from './commands/refresh-rollups.command';
import { PeriodicTask } from './periodic-task';
import { noteMaterializedThrough, rollupRefreshDuration } from './rollup.metrics';
import { RollupState } from './rollup-state';

/** Refreshes the rollups every ROLLUP_REFRESH_INTERVAL in processes with the role worker; one of them at a time. */
@Injectable()
export class RollupRefreshScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(RollupRefreshScheduler.name);
  private readonly task: PeriodicTask;
  private materializedThrough: Date | null = null;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly schema: DatabaseSchema,
    private readonly checks: ReadinessChecks,
    private readonly commands: CommandBus,
    private readonly state: RollupState,
    schedule: SchedulerRegistry,
  ) {
    this.task = new PeriodicTask(schedule, 'rollup-refresh', config.rollupRefreshInterval, (signal) =>
      this.refresh(signal),
    );
  }

  onApplicationBootstrap(): void {
    if (!this.config.serviceRoles.includes('worker')) return;
    // Never a reason not to be ready: what is not materialised is computed when asked, slower but right.
    this.checks.register('rollups', () => this.progress());
    void this.schema.ready().then(() => this.task.start());
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop();
  }

  private async refresh(signal: AbortSignal): Promise<void> {
    const stop = rollupRefreshDuration.startTimer();
    try {
      const result = await this.commands.execute(new RefreshRollupsCommand(signal));
      if (result) stop({ outcome: 'success' });
      this.materializedThrough = (await this.state.read()).materializedThrough;
      noteMaterializedThrough(this.materializedThrough);
    } catch (err) {
      if (signal.aborted) return;
      stop({ outcome: 'failure' });
      this.logger.error({ err }, 'Rollups could not be refreshed, trying again at the next interval');
    }
  }

  private progress(): string {
    if (!this.materializedThrough) return 'nothing materialised yet';
    const seconds = Math.round((this.clock.now().getTime() - this.materializedThrough.getTime()) / 1_000);
    return `materialised through ${this.materializedThrough.toISOString()}, ${seconds} s ago`;
  }
}
