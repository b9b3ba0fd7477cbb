import { EventBus } from '@nestjs/cqrs';
import { BudgetTrial, check } from '../../test/support/budget-trial';
import { describeEachEngine } from '../../test/support/engines';
import { keyOf } from '../../test/support/trial-service';
import { ORG_A, ORG_B } from '../../test/support/usage-events';
import { BudgetThresholdCrossed } from '../shared/messages/budget-threshold-crossed.event';
import { DAY_MS, HOUR_MS } from '../shared/time-zone';
import { budgetSpentRatio } from './budget.metrics';

const NOW = new Date();
const FIRST_OF_MONTH = new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth(), 1)).toISOString();

describeEachEngine('budgets', (engine) => {
  let trial: BudgetTrial;

  beforeEach(async () => {
    trial = await BudgetTrial.begin(engine, NOW);
  });
  afterEach(() => trial.end());

  it('stand against what usage says, to the last digit', async () => {
    await trial.spend('3.0000000001');
    await trial.spend('1.2');
    const { status, body } = await trial.budgetOf();
    expect(status).toBe(200);
    const usage = await trial.first.send(
      'GET',
      `/orgs/${ORG_A}/usage?start=${FIRST_OF_MONTH}&end=now&granularity=day`,
    );
    const [month, day] = body.budgets;
    expect(month).toMatchObject({
      period: 'month',
      periodName: FIRST_OF_MONTH.slice(0, 7),
      timezone: 'UTC',
      amountExact: '10',
      spentExact: usage.body.totals.costExact,
      spentRatio: 0.42,
      forecastMethod: 'linear',
      sameWeekdayForecastExact: null,
    });
    expect(month.spentExact).toBe('4.2000000001');
    expect(month.thresholds.map(({ amountExact }: { amountExact: string }) => amountExact)).toEqual([
      '5',
      '8',
      '10',
    ]);
    expect(day).toMatchObject({ period: 'day', timezone: 'Asia/Kathmandu', exhaustsAt: null });
    expect(new Date(day.start).getUTCMinutes()).toBe(15);
    expect(body.freshness.final).toBe(false);
  });

  it('are empty for an organisation without one, and 404 for a foreign one', async () => {
    expect((await trial.budgetOf(ORG_B, keyOf('other'))).body.budgets).toEqual([]);
    expect((await trial.budgetOf(ORG_A, keyOf('other'))).status).toBe(404);
  });

  it('fire each threshold once, however many replicas look and however often they start again', async () => {
    const crossed: BudgetThresholdCrossed[] = [];
    for (const { app } of trial.replicas)
      app.get(EventBus).subscribe((event) => {
        if (event instanceof BudgetThresholdCrossed) crossed.push(event);
      });
    await trial.spend('4.99');
    expect(await check(trial.first)).toBe(0);
    await trial.spend('3.5');
    const fired = await Promise.all([
      check(trial.first),
      check(trial.second),
      check(trial.first),
      check(trial.second),
    ]);
    expect(fired.reduce((sum, count) => sum + count, 0)).toBe(2);
    await trial.first.close();
    await trial.start({}, 0);
    expect(await check(trial.first)).toBe(0);
    await trial.spend('100');
    expect(await check(trial.second)).toBe(1);
    expect(await check(trial.first)).toBe(0);
    expect(crossed.map(({ percent }) => percent).sort((left, right) => left - right)).toEqual([50, 80, 100]);
    const [month] = (await trial.budgetOf()).body.budgets;
    expect(month.thresholds.every(({ crossedAt }: { crossedAt: string | null }) => crossedAt !== null)).toBe(
      true,
    );
    expect(month.exhaustsAt).not.toBeNull();
  });

  it('fire for a month that is over, as long as its events may still come', async () => {
    const nextMonth = Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() + 1, 1);
    trial.first.now = new Date(nextMonth + 6 * DAY_MS);
    await trial.spend('6', nextMonth - 1_000);
    expect(await check(trial.first)).toBe(1);
    await trial.spend('3', nextMonth - 1_000);
    trial.first.now = new Date(nextMonth + 7 * DAY_MS + 2 * HOUR_MS);
    expect(await check(trial.first)).toBe(0);
    trial.first.now = new Date(nextMonth + 7 * DAY_MS + HOUR_MS / 2);
    expect(await check(trial.first)).toBe(1);
  });

  it('fire for each of the days that are over, as long as their events may still come', async () => {
    const today = Math.ceil(NOW.getTime() / DAY_MS) * DAY_MS;
    trial.writeBudgets(`  - { org: ${ORG_A}, period: day, amount: '5', thresholds: [100] }\n`);
    trial.first.now = new Date(today + 3 * DAY_MS);
    for (const daysAgo of [0, 1]) await trial.spend('6', today - 1_000 - daysAgo * DAY_MS);
    expect(await check(trial.first)).toBe(2);
    const { rows } = await trial.database.pool.query<{ period_name: string }>(
      'select period_name from budget_alerts',
    );
    const names = [0, 1].map((daysAgo) =>
      new Date(today - 1_000 - daysAgo * DAY_MS).toISOString().slice(0, 10),
    );
    expect(rows.map(({ period_name: name }) => name)).toEqual(names);
  });

  it('keep their metrics while they are checked again', async () => {
    const series = async () => (await budgetSpentRatio.get()).values.length;
    await check(trial.first);
    const checking = check(trial.first);
    expect(await series()).toBe(2);
    await checking;
    expect(await series()).toBe(2);
  });
});
