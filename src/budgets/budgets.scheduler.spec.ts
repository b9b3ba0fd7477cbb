import type { CommandBus } from '@nestjs/cqrs';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Config } from '../platform/config/config';
import type { DatabaseSchema } from '../platform/database/database-schema';
import type { Leases } from '../platform/database/lease';
import { budgetSpentRatio } from './budget.metrics';
import { BudgetsScheduler } from './budgets.scheduler';

describe('the schedule of budgets', () => {
  it('tells no figures of its last check while another process checks', async () => {
    const config = { serviceRoles: ['worker'], budgetsFile: 'budgets.yaml', budgetCheckInterval: 60_000 };
    const scheduler = new BudgetsScheduler(
      config as unknown as Config,
      { ready: () => Promise.resolve() } as unknown as DatabaseSchema,
      new SchedulerRegistry(),
      // Another process has the lease.
      { run: () => Promise.resolve(undefined) } as unknown as Leases,
      { execute: () => Promise.resolve() } as unknown as CommandBus,
    );
    budgetSpentRatio.set({ org_id: 'a', period: 'month' }, 0.4);
    scheduler.onApplicationBootstrap();
    await new Promise(setImmediate);
    await scheduler.beforeApplicationShutdown();
    expect((await budgetSpentRatio.get()).values).toEqual([]);
  });
});
