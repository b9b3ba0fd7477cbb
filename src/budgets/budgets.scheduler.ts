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
import { forgetStandings } from './budget.metrics';
import { CheckBudgetsCommand } from './commands/check-budgets.command';
import { DeliverWebhooksCommand } from './commands/deliver-webhooks.command';

const NAME = 'budgets';

/**
 * Checks budgets every BUDGET_CHECK_INTERVAL, in processes with the role worker; one of them at a time. Each of them
 * then sends the webhooks that it can claim, beside the next checks: a receiver that hangs keeps none waiting.
 */
@Injectable()
export class BudgetsScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(BudgetsScheduler.name);
  private readonly stopping = new AbortController();
  private checking: Promise<void> | undefined;
  private delivering: Promise<void> | undefined;

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
    await Promise.all([this.checking, this.delivering]);
  }

  private tick(): void {
    this.checking ??= this.check().finally(() => {
      this.checking = undefined;
      this.delivering ??= this.deliver().finally(() => {
        this.delivering = undefined;
      });
    });
  }

  private async check(): Promise<void> {
    try {
      const fired = await this.leases.run(NAME, () => this.commands.execute(new CheckBudgetsCommand()));
      if (fired === undefined) forgetStandings();
    } catch (err) {
      if (this.stopping.signal.aborted) return;
      this.logger.error({ err }, 'Budgets could not be checked, trying again at the next interval');
    }
  }

  private async deliver(): Promise<void> {
    try {
      await this.commands.execute(new DeliverWebhooksCommand(this.stopping.signal));
    } catch (err) {
      if (this.stopping.signal.aborted) return;
      this.logger.error({ err }, 'Webhooks of budgets could not be sent, trying again at the next interval');
    }
  }
}
