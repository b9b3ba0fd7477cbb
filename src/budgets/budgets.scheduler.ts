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
import { Leases } from '../platform/database/lease';
import { CheckBudgetsCommand } from './commands/check-budgets.command';
import { DeliverWebhooksCommand } from './commands/deliver-webhooks.command';

const NAME = 'budgets';

/** Checks budgets and sends their webhooks every BUDGET_CHECK_INTERVAL, in processes with the role worker; one of them at a time. */
@Injectable()
export class BudgetsScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(BudgetsScheduler.name);
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly schedule: SchedulerRegistry,
    private readonly leases: Leases,
    private readonly commands: CommandBus,
  ) {}

  onApplicationBootstrap(): void {
    const { serviceRoles, budgetsFile, budgetCheckInterval } = this.config;
    if (!serviceRoles.includes('worker') || budgetsFile === null) return;
    void this.schema.ready().then(() => {
      if (this.stopping.signal.aborted) return;
      this.schedule.addInterval(
        NAME,
        setInterval(() => this.tick(), budgetCheckInterval),
      );
      this.tick();
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    if (this.schedule.doesExist('interval', NAME)) this.schedule.deleteInterval(NAME);
    await this.running;
  }

  private tick(): void {
    this.running ??= this.work().finally(() => {
      this.running = undefined;
    });
  }

  private async work(): Promise<void> {
    try {
      await this.leases.run(NAME, async () => {
        await this.commands.execute(new CheckBudgetsCommand());
        await this.commands.execute(new DeliverWebhooksCommand(this.stopping.signal));
      });
    } catch (err) {
      if (this.stopping.signal.aborted) return;
      this.logger.error({ err }, 'Budgets could not be checked, trying again at the next interval');
    }
  }
}
