import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config/config';
import { HOUR_MS } from '../platform/database/bucket-windows';
import { DatabaseSchema } from '../platform/database/database-schema';
import { ExpireDataCommand } from './commands/expire-data.command';
import { PeriodicTask } from './periodic-task';

/** Makes partitions ahead and expires data every hour in processes with the role worker; one of them at a time. */
@Injectable()
export class RetentionScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(RetentionScheduler.name);
  private readonly task: PeriodicTask;

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly commands: CommandBus,
    schedule: SchedulerRegistry,
  ) {
    this.task = new PeriodicTask(schedule, 'retention', HOUR_MS, (signal) => this.expire(signal));
  }

  onApplicationBootstrap(): void {
    if (this.config.serviceRoles.includes('worker')) void this.schema.ready().then(() => this.task.start());
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.task.stop();
  }

  private async expire(signal: AbortSignal): Promise<void> {
    try {
      await this.commands.execute(new ExpireDataCommand(signal));
    } catch (err) {
      if (!signal.aborted) this.logger.error({ err }, 'Data could not be expired, trying again in an hour');
    }
  }
}
