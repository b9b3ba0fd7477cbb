import { createHmac } from 'node:crypto';
import {
  BudgetTrial,
  check,
  deliver,
  type ReceivedWebhook,
  WEBHOOK_SECRET,
} from '../../../test/support/budget-trial';
import { describeEachEngine } from '../../../test/support/engines';
import { eventually } from '../../../test/support/eventually';
import { ORG_A } from '../../../test/support/usage-events';
import { HOUR_MS } from '../../shared/time-zone';

const NOW = new Date();

describeEachEngine('thresholds that were crossed', (engine) => {
  let trial: BudgetTrial;

  beforeEach(async () => {
    trial = await BudgetTrial.begin(engine, NOW);
  });
  afterEach(() => trial.end());

  it('tell by signed webhook, once, with the same id on every attempt', async () => {
    await trial.spend('6');
    await check(trial.first);
    trial.answers.push({ status: 500 });
    expect(await deliver(trial.first)).toBe(0);
    expect(await deliver(trial.first)).toBe(0);
    trial.first.now = new Date(NOW.getTime() + 60_000);
    expect(await deliver(trial.first)).toBe(1);
    expect((await Promise.all([deliver(trial.first), deliver(trial.second)])).join()).toBe('0,0');
    expect(trial.received).toHaveLength(2);
    expect(new Set(trial.received.map(({ headers }) => headers['usage-webhook-id'])).size).toBe(1);
    const { headers, body } = trial.received[1] as ReceivedWebhook;
    const [, seconds = '', signature = ''] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['usage-signature'])) ?? [];
    expect(signature).toBe(createHmac('sha256', WEBHOOK_SECRET).update(`${seconds}.${body}`).digest('hex'));
    expect(Number(seconds)).toBe(Math.floor(NOW.getTime() / 1_000) + 60);
    expect(JSON.parse(body)).toMatchObject({
      type: 'budget.threshold_crossed',
      orgId: ORG_A,
      period: 'month',
      thresholdPercent: 50,
      amount: '10',
      spent: '6',
    });
    expect((await trial.budgetOf()).body.budgets[0].thresholds[0].webhook).toBe('delivered');
  });

  it('are told once in a run, however long it takes, and not while it is stopped', async () => {
    await trial.spend('6');
    await check(trial.first);
    trial.meanwhile = () => (trial.first.now = new Date(trial.first.now.getTime() + HOUR_MS));
    trial.answers.push({ status: 500 }, { status: 500 });
    expect([await deliver(trial.first), trial.received.length]).toEqual([0, 1]);

    const stopping = new AbortController();
    trial.meanwhile = () => stopping.abort();
    trial.answers = [{ status: 0 }];
    trial.first.now = new Date(trial.first.now.getTime() + HOUR_MS);
    expect(await deliver(trial.first, stopping.signal)).toBe(0);
    expect(trial.received).toHaveLength(2);
    trial.meanwhile = () => undefined;
    expect(await deliver(trial.first)).toBe(1);
    const { rows } = await trial.database.pool.query('select webhook, attempts from budget_alerts');
    // The first one and the last one; the one between was broken off.
    expect(rows).toEqual([{ webhook: 'delivered', attempts: 2 }]);
  });

  it('are followed by others while a receiver hangs', async () => {
    trial.answers.push({ status: 0 });
    await trial.spend('6');
    await trial.start({
      SERVICE_ROLES: 'worker',
      BUDGET_CHECK_INTERVAL: '50ms',
      BUDGET_WEBHOOK_TIMEOUT: '1m',
    });
    await eventually(() => Promise.resolve(expect(trial.received).toHaveLength(1)));
    await trial.spend('3');
    await eventually(async () => {
      const { rows } = await trial.database.pool.query(
        'select percent, webhook from budget_alerts order by percent',
      );
      expect(rows).toEqual([
        { percent: 50, webhook: 'pending' },
        { percent: 80, webhook: 'pending' },
      ]);
    });
  });

  it('follow no redirect, and give up after the attempts that are allowed', async () => {
    await trial.spend('6');
    await check(trial.first);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      trial.answers.push({ status: 302, location: `http://localhost:${trial.port}/elsewhere` });
      trial.first.now = new Date(NOW.getTime() + attempt * HOUR_MS);
      await deliver(trial.first);
    }
    expect(trial.received).toHaveLength(3);
    const { rows } = await trial.database.pool.query('select webhook, attempts, failure from budget_alerts');
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
    trial.tellHook(host);
    await trial.second.close();
    await trial.start({ BUDGET_WEBHOOK_NETWORKS: '' }, 1);
    await trial.spend('6');
    await check(trial.second);
    await deliver(trial.second);
    const { rows } = await trial.database.pool.query<{ failure: string }>(
      'select failure from budget_alerts',
    );
    expect(rows[0]?.failure).toContain('which BUDGET_WEBHOOK_NETWORKS does not allow');
    expect(trial.received).toEqual([]);
  });
});
