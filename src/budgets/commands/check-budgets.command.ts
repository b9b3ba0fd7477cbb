import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { WorkerPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { COST_DIGITS, unitsOfDecimal } from '../../shared/decimal';
import { BudgetThresholdCrossed } from '../../shared/messages/budget-threshold-crossed.event';
import { HOUR_MS } from '../../shared/time-zone';
import { budgetForecastRatio, budgetSpentRatio, budgetThresholdsCrossed, forgetStandings } from '../budget.metrics'; // prettier-ignore
import { type BudgetSpend, type BudgetStanding, BudgetStandings } from '../budget-standings';
import { BudgetsFile } from '../budgets-file';

const fireThresholds = sql('budgets/fire-thresholds');

/** What an event needs at most from being admitted to being visible. */
const SETTLES_MS = HOUR_MS;

/**
 * Holds spend against every budget and fires the thresholds that it has reached; answers how many fired. A period that
 * is over is looked at for LATE_HORIZON and an hour more: that long its events may still come.
 */
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
    const standings: BudgetStanding[] = [];
    let fired = 0;
    for (const budget of this.file.all()) {
      try {
        const standing = await this.standings.of(budget, now);
        standings.push(standing);
        fired += await this.fire(standing, now);
        const since = now - this.config.lateHorizon - SETTLES_MS;
        for (const spend of await this.standings.ended(budget, since, now))
          fired += await this.fire(spend, now);
      } catch (err) {
        // One organisation's trouble must not hide the others' thresholds.
        const { orgId, period } = budget;
        this.logger.error({ err, orgId, period }, 'A budget could not be checked and is checked again');
      }
    }
    measure(standings);
    return fired;
  }

  private async fire({ budget, periodName, spent, reached }: BudgetSpend, now: number): Promise<number> {
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

/** All at once: a scrape meets the series of this check or of the one before. */
function measure(standings: readonly BudgetStanding[]): void {
  forgetStandings();
  for (const { budget, spent, method, forecasts } of standings) {
    const labels = { org_id: budget.orgId, period: budget.period };
    const amount = Number(unitsOfDecimal(budget.amount, COST_DIGITS));
    const share = (decimal: string): number => Number(unitsOfDecimal(decimal, COST_DIGITS)) / amount;
    budgetSpentRatio.set(labels, share(spent));
    const forecast = forecasts[method];
    if (forecast !== null) budgetForecastRatio.set(labels, share(forecast));
  }
}
