import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { VerifyDataCommand } from './commands/verify-data.command';
import { LastVerification } from './last-verification';

const JOB = 'verification';
/** How long the metrics of a worker may tell of the verification before. */
const EXPORT_EVERY_MS = 15_000;

/**
 * Verifies the data by VERIFY_SCHEDULE in processes with the role worker, one of them at a time; each of them exports
 * what was found last.
 */
@Injectable()
export class VerificationScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(VerificationScheduler.name);
  private readonly stopping = new AbortController();

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly schedule: SchedulerRegistry,
    private readonly commands: CommandBus,
    private readonly last: LastVerification,
  ) {}

  onApplicationBootstrap(): void {
    const { serviceRoles, verifySchedule } = this.config;
    if (!serviceRoles.includes('worker') || verifySchedule === 'off') return;
    void this.schema.ready().then(() => {
      if (this.stopping.signal.aborted) return;
      const job = CronJob.from({
        cronTime: verifySchedule,
        timeZone: 'UTC',
        onTick: () => void this.verify(),
      });
      this.schedule.addCronJob(JOB, job);
      job.start();
      this.schedule.addInterval(
        JOB,
        setInterval(() => void this.export(), EXPORT_EVERY_MS),
      );
      void this.export();
    });
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
    if (this.schedule.doesExist('cron', JOB)) this.schedule.deleteCronJob(JOB);
    if (this.schedule.doesExist('interval', JOB)) this.schedule.deleteInterval(JOB);
  }

  private async verify(): Promise<void> {
    try {
      await this.commands.execute(new VerifyDataCommand(this.stopping.signal));
      await this.export();
    } catch (err) {
      if (this.stopping.signal.aborted) return;
      this.logger.error(
        { err },
        'The data could not be verified, trying again at the next time of the schedule',
      );
    }
  }

  /** The last metrics stand while the database is away; readiness says that. */
  private async export(): Promise<void> {
    await this.last.export().catch(() => undefined);
  }
}
