import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { COST_DIGITS, decimalOfUnits, ratioOf, unitsOfDecimal } from '../../shared/decimal';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { BudgetAnswer, BudgetRow, ThresholdAnswer, WebhookState } from '../budget.dto';
import { type BudgetStanding, BudgetStandings } from '../budget-standings';
import { BudgetsFile } from '../budgets-file';

const listFired = sql('budgets/list-fired');

/** How the budgets of an organisation stand now. */
export class GetBudgetQuery extends Query<BudgetAnswer> {
  constructor(readonly scope: OrgScope) {
    super();
  }
}

interface Fired {
  readonly percent: number;
  readonly fired_at: Date;
  readonly webhook: WebhookState;
}

@QueryHandler(GetBudgetQuery)
export class GetBudgetHandler implements IQueryHandler<GetBudgetQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
    private readonly queries: QueryBus,
    private readonly file: BudgetsFile,
    private readonly standings: BudgetStandings,
  ) {}

  async execute({ scope: { orgId } }: GetBudgetQuery): Promise<BudgetAnswer> {
    const now = this.clock.now().getTime();
    const freshness = await this.queries.execute(new GetFreshnessQuery(orgId, { start: now, end: now }));
    const budgets: BudgetRow[] = [];
    for (const budget of this.file.of(orgId)) {
      const standing = await this.standings.of(budget, now);
      budgets.push(this.rowOf(standing, await this.fired(standing)));
    }
    return { budgets, freshness, nextCursor: null };
  }

  private async fired({ budget, periodName }: BudgetStanding): Promise<readonly Fired[]> {
    const { rows } = await this.pool.query<Fired>({
      ...listFired,
      values: [budget.orgId, budget.period, periodName],
    });
    return rows;
  }

  private rowOf(standing: BudgetStanding, fired: readonly Fired[]): BudgetRow {
    const { budget, period, periodName, spent, forecasts, method, exhaustsAt } = standing;
    const forecast = forecasts[method];
    return {
      period: budget.period,
      periodName,
      start: new Date(period.start).toISOString(),
      end: new Date(period.end).toISOString(),
      timezone: budget.zone.name,
      currency: this.config.currency,
      amount: Number(budget.amount),
      amountExact: plain(budget.amount),
      spent: Number(spent),
      spentExact: spent,
      spentRatio: ratioOf(spent, budget.amount) ?? 0,
      forecast: forecast === null ? null : Number(forecast),
      forecastExact: forecast,
      forecastMethod: method,
      linearForecastExact: forecasts.linear,
      sameWeekdayForecastExact: forecasts['same-weekday'],
      exhaustsAt: exhaustsAt === null ? null : new Date(exhaustsAt).toISOString(),
      thresholds: budget.thresholds.map((percent) => thresholdOf(percent, budget.amount, fired)),
    };
  }
}

function thresholdOf(percent: number, amount: string, fired: readonly Fired[]): ThresholdAnswer {
  const crossed = fired.find((each) => each.percent === percent);
  // Two more decimals, for the percent.
  const units = unitsOfDecimal(amount, COST_DIGITS) * BigInt(percent);
  return {
    percent,
    amountExact: decimalOfUnits(units, COST_DIGITS + 2),
    crossedAt: crossed?.fired_at.toISOString() ?? null,
    webhook: crossed?.webhook ?? null,
  };
}

function plain(amount: string): string {
  return decimalOfUnits(unitsOfDecimal(amount, COST_DIGITS), COST_DIGITS);
}
