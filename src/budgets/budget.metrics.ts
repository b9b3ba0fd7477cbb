import { Counter, Gauge } from 'prom-client';
import { absentUntilSet } from '../platform/telemetry/absent-until-set';

export const budgetSpentRatio = new Gauge({
  name: 'budget_spent_ratio',
  help: 'Spent share of the budget of the period that runs, by organisation of BUDGETS_FILE; 1 is all of it.',
  labelNames: ['org_id', 'period'],
});

export const budgetForecastRatio = new Gauge({
  name: 'budget_forecast_ratio',
  help: 'Share of the budget that will be spent at the end of the period, by the forecast that the budget names.',
  labelNames: ['org_id', 'period'],
});

/** For a process whose budgets another one checks now: of two figures of one budget one would be old. */
export function forgetStandings(): void {
  budgetSpentRatio.reset();
  budgetForecastRatio.reset();
}

export const budgetThresholdsCrossed = new Counter({
  name: 'budget_thresholds_crossed_total',
  help: 'Thresholds of budgets that spend has reached, each once per period.',
  labelNames: ['period'],
});

export const WEBHOOK_OUTCOMES = ['delivered', 'retried', 'failed'] as const;
export const budgetWebhooks = new Counter({
  name: 'budget_webhooks_total',
  help: 'Attempts at webhooks of budgets; failed ones are given up.',
  labelNames: ['outcome'],
});
for (const outcome of WEBHOOK_OUTCOMES) budgetWebhooks.inc({ outcome }, 0);

export const budgetFileValid = absentUntilSet(
  new Gauge({
    name: 'budget_file_valid',
    help: '1 while BUDGETS_FILE is in force as it stands, 0 while it has mistakes and the budgets before stay in force.',
  }),
);
