import { type DynamicModule, Module } from '@nestjs/common';
import type { Config } from '../platform/config/config';
import { BudgetStandings } from './budget-standings';
import { BudgetsController } from './budgets.controller';
import { BudgetsFile } from './budgets-file';
import { BudgetsScheduler } from './budgets.scheduler';
import { CheckBudgetsHandler } from './commands/check-budgets.command';
import { DeliverWebhooksHandler } from './commands/deliver-webhooks.command';
import { GetBudgetHandler } from './queries/get-budget.query';
import { Webhooks } from './webhooks';

/** Budgets of a file: how spend stands against them, and who is told when it reaches a threshold. */
@Module({})
export class BudgetsModule {
  /** Throws `ConfigError` when the file has mistakes: the start ends with all of them. */
  static of(config: Config): DynamicModule {
    return {
      module: BudgetsModule,
      controllers: [BudgetsController],
      providers: [
        { provide: BudgetsFile, useValue: BudgetsFile.open(config) },
        BudgetStandings,
        Webhooks,
        BudgetsScheduler,
        GetBudgetHandler,
        CheckBudgetsHandler,
        DeliverWebhooksHandler,
      ],
    };
  }
}
