import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBus } from '@nestjs/cqrs';
import { describeEachEngine } from '../../test/support/engines';
import { eventually } from '../../test/support/eventually';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database';
import { keyOf, startTrial, type TrialService } from '../../test/support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../../test/support/usage-events';
import { BudgetThresholdCrossed } from '../shared/messages/budget-threshold-crossed.event';
import { DAY_MS, HOUR_MS } from '../shared/time-zone';
import { budgetSpentRatio } from './budget.metrics';
import { CheckBudgetsCommand } from './commands/check-budgets.command';
import { DeliverWebhooksCommand } from './commands/deliver-webhooks.command';

const NOW = new Date();
const SECRET = 's'.repeat(40);
const FIRST_OF_MONTH = new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth(), 1)).toISOString();

interface Received {
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

describeEachEngine('budgets', (engine) => {
  let database: TestDatabase;
  let replicas: TrialService[];
  let receiver: Server;
  let directory: string;
  let received: Received[];
  /** Of the status 0: none. */
  let answers: { status: number; location?: string }[];
  /** Runs when a webhook has been received, before it is answered. */
  let meanwhile: () => unknown;
  const signal = new AbortController().signal;

  const [first, second] = [() => replicas[0] as TrialService, () => replicas[1] as TrialService];
  const budgets = (hook: string): string => `version: 1
budgets:
  - { org: ${ORG_A}, period: month, amount: '10', thresholds: [50, 80, 100], webhook: '${hook}' }
  - { org: ${ORG_A}, period: day, amount: '1000000', thresholds: [100], timezone: Asia/Kathmandu, forecast: linear }
`;

  async function start(settings: NodeJS.ProcessEnv = {}): Promise<TrialService> {
    return startTrial(database, {
      now: NOW,
      principals: { other: { orgId: ORG_B, roles: ['org-admin'] } },
      settings: {
        BUDGETS_FILE: join(directory, 'budgets.yaml'),
        BUDGET_WEBHOOK_SECRET: SECRET,
        BUDGET_WEBHOOK_NETWORKS: '127.0.0.0/8,::1/128',
        BUDGET_WEBHOOK_TIMEOUT: '2s',
        BUDGET_WEBHOOK_ATTEMPTS: '3',
        ...settings,
      },
    });
  }

  async function spend(cost: string, at = NOW.getTime() - 1_000): Promise<void> {
    const event = usageEvent({ eventId: randomUUID(), cost, occurredAt: new Date(at).toISOString() });
    expect((await first().send('POST', '/events', event)).status).toBeLessThan(300);
  }

  beforeEach(async () => {
    received = [];
    answers = [];
    meanwhile = () => undefined;
    directory = mkdtempSync(join(tmpdir(), 'budgets-'));
    receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        meanwhile();
        const { status, location } = answers.shift() ?? { status: 204 };
        if (status === 0) return;
        response.writeHead(status, location === undefined ? {} : { location }).end();
      });
    });
    await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
    const { port } = receiver.address() as AddressInfo;
    writeFileSync(join(directory, 'budgets.yaml'), budgets(`http://localhost:${port}/hook`));
    database = await createTestDatabase(engine);
    replicas = [await start(), await start()];
  });
  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
    await database.drop();
    await new Promise((done) => receiver.close(done));
    rmSync(directory, { recursive: true });
  });

  const check = (replica: TrialService) => replica.commands.execute(new CheckBudgetsCommand());
  const deliver = (replica: TrialService) => replica.commands.execute(new DeliverWebhooksCommand(signal));
  const budgetOf = async (org = ORG_A, key?: string) =>
    first().send('GET', `/orgs/${org}/budget`, undefined, key);

  it('stand against what usage says, to the last digit', async () => {
    await spend('3.0000000001');
    await spend('1.2');
    const { status, body } = await budgetOf();
    expect(status).toBe(200);
    const usage = await first().send(
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
    expect((await budgetOf(ORG_B, keyOf('other'))).body.budgets).toEqual([]);
    expect((await budgetOf(ORG_A, keyOf('other'))).status).toBe(404);
  });

  it('fire each threshold once, however many replicas look and however often they start again', async () => {
    const crossed: BudgetThresholdCrossed[] = [];
    for (const { app } of replicas)
      app.get(EventBus).subscribe((event) => {
        if (event instanceof BudgetThresholdCrossed) crossed.push(event);
      });
    await spend('4.99');
    expect(await check(first())).toBe(0);
    await spend('3.5');
    const fired = await Promise.all([check(first()), check(second()), check(first()), check(second())]);
    expect(fired.reduce((sum, count) => sum + count, 0)).toBe(2);
    await first().close();
    replicas[0] = await start();
    expect(await check(first())).toBe(0);
    await spend('100');
    expect(await check(second())).toBe(1);
    expect(await check(first())).toBe(0);
    expect(crossed.map(({ percent }) => percent).sort((left, right) => left - right)).toEqual([50, 80, 100]);
    const [month] = (await budgetOf()).body.budgets;
    expect(month.thresholds.every(({ crossedAt }: { crossedAt: string | null }) => crossedAt !== null)).toBe(
      true,
    );
    expect(month.exhaustsAt).not.toBeNull();
  });

  it('fire for a month that is over, as long as its events may still come', async () => {
    const nextMonth = Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() + 1, 1);
    first().now = new Date(nextMonth + 6 * DAY_MS);
    await spend('6', nextMonth - 1_000);
    expect(await check(first())).toBe(1);
    await spend('3', nextMonth - 1_000);
    first().now = new Date(nextMonth + 7 * DAY_MS + 2 * HOUR_MS);
    expect(await check(first())).toBe(0);
    first().now = new Date(nextMonth + 7 * DAY_MS + HOUR_MS / 2);
    expect(await check(first())).toBe(1);
  });

  it('fire for each of the days that are over, as long as their events may still come', async () => {
    const today = Math.ceil(NOW.getTime() / DAY_MS) * DAY_MS;
    writeFileSync(
      join(directory, 'budgets.yaml'),
      `version: 1\nbudgets:\n  - { org: ${ORG_A}, period: day, amount: '5', thresholds: [100] }\n`,
    );
    first().now = new Date(today + 3 * DAY_MS);
    for (const daysAgo of [0, 1]) await spend('6', today - 1_000 - daysAgo * DAY_MS);
    expect(await check(first())).toBe(2);
    const { rows } = await database.pool.query<{ period_name: string }>(
      'select period_name from budget_alerts',
    );
    const names = [0, 1].map((daysAgo) =>
      new Date(today - 1_000 - daysAgo * DAY_MS).toISOString().slice(0, 10),
    );
    expect(rows.map(({ period_name: name }) => name)).toEqual(names);
  });

  it('keep their metrics while they are checked again', async () => {
    const series = async () => (await budgetSpentRatio.get()).values.length;
    await check(first());
    const checking = check(first());
    expect(await series()).toBe(2);
    await checking;
    expect(await series()).toBe(2);
  });

  it('tell by signed webhook, once, with the same id on every attempt', async () => {
    await spend('6');
    await check(first());
    answers.push({ status: 500 });
    expect(await deliver(first())).toBe(0);
    expect(await deliver(first())).toBe(0);
    first().now = new Date(NOW.getTime() + 60_000);
    expect(await deliver(first())).toBe(1);
    expect((await Promise.all([deliver(first()), deliver(second())])).join()).toBe('0,0');
    expect(received).toHaveLength(2);
    expect(new Set(received.map(({ headers }) => headers['usage-webhook-id'])).size).toBe(1);
    const { headers, body } = received[1] as Received;
    const [, seconds = '', signature = ''] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['usage-signature'])) ?? [];
    expect(signature).toBe(createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex'));
    expect(Number(seconds)).toBe(Math.floor(NOW.getTime() / 1_000) + 60);
    expect(JSON.parse(body)).toMatchObject({
      type: 'budget.threshold_crossed',
      orgId: ORG_A,
      period: 'month',
      thresholdPercent: 50,
      amount: '10',
      spent: '6',
    });
    expect((await budgetOf()).body.budgets[0].thresholds[0].webhook).toBe('delivered');
  });

  it('are told once in a run, however long it takes, and not while it is stopped', async () => {
    await spend('6');
    await check(first());
    meanwhile = () => (first().now = new Date(first().now.getTime() + HOUR_MS));
    answers.push({ status: 500 }, { status: 500 });
    expect([await deliver(first()), received.length]).toEqual([0, 1]);

    const stopping = new AbortController();
    meanwhile = () => stopping.abort();
    answers = [{ status: 0 }];
    first().now = new Date(first().now.getTime() + HOUR_MS);
    expect(await first().commands.execute(new DeliverWebhooksCommand(stopping.signal))).toBe(0);
    expect(received).toHaveLength(2);
    meanwhile = () => undefined;
    expect(await deliver(first())).toBe(1);
    const { rows } = await database.pool.query('select webhook, attempts from budget_alerts');
    // The first one and the last one; the one between was broken off.
    expect(rows).toEqual([{ webhook: 'delivered', attempts: 2 }]);
  });

  it('are checked while a receiver hangs', async () => {
    answers.push({ status: 0 });
    await spend('6');
    replicas.push(
      await start({ SERVICE_ROLES: 'worker', BUDGET_CHECK_INTERVAL: '50ms', BUDGET_WEBHOOK_TIMEOUT: '1m' }),
    );
    await eventually(() => Promise.resolve(expect(received).toHaveLength(1)));
    await spend('3');
    await eventually(async () => {
      const { rows } = await database.pool.query(
        'select percent, webhook from budget_alerts order by percent',
      );
      expect(rows).toEqual([
        { percent: 50, webhook: 'pending' },
        { percent: 80, webhook: 'pending' },
      ]);
    });
  });

  it('follow no redirect, and give up after the attempts that are allowed', async () => {
    await spend('6');
    await check(first());
    const { port } = receiver.address() as AddressInfo;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      answers.push({ status: 302, location: `http://localhost:${port}/elsewhere` });
      first().now = new Date(NOW.getTime() + attempt * HOUR_MS);
      await deliver(first());
    }
    expect(received).toHaveLength(3);
    const { rows } = await database.pool.query('select webhook, attempts, failure from budget_alerts');
    expect(rows).toEqual([
      { webhook: 'failed', attempts: 3, failure: 'The receiver answered 302; redirects are not followed.' },
    ]);
  });

  it.each([
    'localhost',
    '127.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '2130706433',
    '0x7f.1',
    '169.254.169.254',
  ])('send nothing to %s unless its network is allowed', async (host) => {
    const { port } = receiver.address() as AddressInfo;
    writeFileSync(join(directory, 'budgets.yaml'), budgets(`http://${host}:${port}/hook`));
    await second().close();
    replicas[1] = await start({ BUDGET_WEBHOOK_NETWORKS: '' });
    await spend('6');
    await check(second());
    await deliver(second());
    const { rows } = await database.pool.query<{ failure: string }>('select failure from budget_alerts');
    expect(rows[0]?.failure).toContain('which BUDGET_WEBHOOK_NETWORKS does not allow');
    expect(received).toEqual([]);
  });
});
