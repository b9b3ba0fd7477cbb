import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { WorkerPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { COST_DIGITS, unitsOfDecimal } from '../../shared/decimal';
import { BudgetThresholdCrossed } from '../../shared/messages/budget-threshold-crossed.event';
import { HOUR_MS } from '../../shared/time-zone';
import { budgetForecastRatio, budgetSpentRatio, budgetThresholdsCrossed } from '../budget.metrics';
import { type BudgetStanding, BudgetStandings, periodOf } from '../budget-standings';
import { type Budget, BudgetsFile } from '../budgets-file';

const fireThresholds = sql('budgets/fire-thresholds');

/** A period is looked at for this long after its end: its last events become visible only then. */
const SETTLES_MS = HOUR_MS;

/** Holds spend against every budget and fires the thresholds that it has reached; answers how many fired. */
export class CheckBudgetsCommand extends Command<number> {}

/** Each threshold fires once per period: its row in the database is what fires it, whichever process adds it. */
@CommandHandler(CheckBudgetsCommand)
export class CheckBudgetsHandler implements ICommandHandler<CheckBudgetsCommand> {
  private readonly logger = new Logger(CheckBudgetsHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: WorkerPool,
    private readonly file: BudgetsFile,
    private readonly standings: BudgetStandings,
    private readonly events: EventBus,
  ) {}

  async execute(): Promise<number> {
    const now = this.clock.now().getTime();
    const budgets = this.file.all();
    budgetSpentRatio.reset();
    budgetForecastRatio.reset();
    let fired = 0;
    for (const budget of budgets) {
      try {
        fired += await this.check(budget, now);
      } catch (err) {
        // One organisation's trouble must not hide the others' thresholds.
        const { orgId, period } = budget;
        this.logger.error({ err, orgId, period }, 'A budget could not be checked and is checked again');
      }
    }
    return fired;
  }

  private async check(budget: Budget, now: number): Promise<number> {
    const standing = await this.standings.of(budget, now);
    measure(standing);
    let fired = await this.fire(standing, now);
    const { start } = periodOf(budget, now);
    if (now - start < SETTLES_MS) fired += await this.fire(await this.standings.of(budget, start - 1), now);
    return fired;
  }

  private async fire({ budget, periodName, spent, reached }: BudgetStanding, now: number): Promise<number> {
    if (reached.length === 0) return 0;
    const { orgId, period, amount, webhook } = budget;
    const { rows } = await this.pool.query<{ percent: number }>({
      ...fireThresholds,
      values: [
        orgId,
        period,
        periodName,
        reached,
        amount,
        spent,
        this.config.currency,
        new Date(now),
        webhook === null ? 'none' : 'pending',
      ],
    });
    for (const { percent } of rows) {
      budgetThresholdsCrossed.inc({ period });
      this.logger.log({ orgId, period: periodName, percent }, 'Spend has reached a threshold of a budget');
      this.events.publish(new BudgetThresholdCrossed(orgId, period, periodName, percent, amount, spent));
    }
    return rows.length;
  }
}

function measure({ budget, spent, method, forecasts }: BudgetStanding): void {
  const labels = { org_id: budget.orgId, period: budget.period };
  const amount = Number(unitsOfDecimal(budget.amount, COST_DIGITS));
  const share = (decimal: string): number => Number(unitsOfDecimal(decimal, COST_DIGITS)) / amount;
  budgetSpentRatio.set(labels, share(spent));
  const forecast = forecasts[method];
  if (forecast !== null) budgetForecastRatio.set(labels, share(forecast));
}
