import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckBudgetsCommand } from '../../src/budgets/commands/check-budgets.command';
import { DeliverWebhooksCommand } from '../../src/budgets/commands/deliver-webhooks.command';
import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { createTestDatabase, type TestDatabase } from './test-database';
import { startTrial, type TrialService } from './trial-service';
import { ORG_A, ORG_B, usageEvent } from './usage-events';

export const WEBHOOK_SECRET = 's'.repeat(40);

export interface ReceivedWebhook {
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/**
 * Budgets under trial: two replicas that read one file of budgets, and a receiver of webhooks that answers as it is told.
 * ORG_A has a budget of 10 a month, which tells the receiver, and one a day that nothing reaches.
 */
export class BudgetTrial {
  readonly received: ReceivedWebhook[] = [];
  /** What the receiver answers next, before it goes back to 204. Of the status 0: nothing. */
  answers: { status: number; location?: string }[] = [];
  /** Runs when a webhook has been received, before it is answered. */
  meanwhile: () => unknown = () => undefined;
  readonly replicas: TrialService[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'budgets-'));
  private readonly receiver: Server;

  private constructor(
    readonly database: TestDatabase,
    private readonly now: Date,
  ) {
    this.receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        this.received.push({ headers: request.headers, body });
        this.meanwhile();
        const { status, location } = this.answers.shift() ?? { status: 204 };
        if (status === 0) return;
        response.writeHead(status, location === undefined ? {} : { location }).end();
      });
    });
  }

  static async begin(engine: StorageEngineKind, now: Date): Promise<BudgetTrial> {
    const trial = new BudgetTrial(await createTestDatabase(engine), now);
    await new Promise<void>((done) => trial.receiver.listen(0, '127.0.0.1', done));
    trial.tellHook('localhost');
    for (let replica = 0; replica < 2; replica += 1) await trial.start();
    return trial;
  }

  async end(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.close()));
    await this.database.drop();
    await new Promise((done) => this.receiver.close(done));
    rmSync(this.directory, { recursive: true });
  }

  get first(): TrialService {
    return this.replicas[0] as TrialService;
  }

  get second(): TrialService {
    return this.replicas[1] as TrialService;
  }

  get port(): number {
    return (this.receiver.address() as AddressInfo).port;
  }

  /** One more replica, or another in the place of one that was closed. */
  async start(settings: NodeJS.ProcessEnv = {}, place = this.replicas.length): Promise<void> {
    this.replicas[place] = await startTrial(this.database, {
      now: this.now,
      principals: { other: { orgId: ORG_B, roles: ['org-admin'] } },
      settings: {
        BUDGETS_FILE: join(this.directory, 'budgets.yaml'),
        BUDGET_WEBHOOK_SECRET: WEBHOOK_SECRET,
        BUDGET_WEBHOOK_NETWORKS: '127.0.0.0/8,::1/128',
        BUDGET_WEBHOOK_TIMEOUT: '2s',
        BUDGET_WEBHOOK_ATTEMPTS: '3',
        ...settings,
      },
    });
  }

  /** From now on the receiver is reached by this name. */
  tellHook(host: string): void {
    this.writeBudgets(
      `  - { org: ${ORG_A}, period: month, amount: '10', thresholds: [50, 80, 100], webhook: 'http://${host}:${this.port}/hook' }
  - { org: ${ORG_A}, period: day, amount: '1000000', thresholds: [100], timezone: Asia/Kathmandu, forecast: linear }
`,
    );
  }

  writeBudgets(entries: string): void {
    writeFileSync(join(this.directory, 'budgets.yaml'), `version: 1\nbudgets:\n${entries}`);
  }

  async spend(cost: string, at = this.now.getTime() - 1_000): Promise<void> {
    const event = usageEvent({ eventId: randomUUID(), cost, occurredAt: new Date(at).toISOString() });
    expect((await this.first.send('POST', '/events', event)).status).toBeLessThan(300);
  }

  async budgetOf(org = ORG_A, key?: string) {
    return this.first.send('GET', `/orgs/${org}/budget`, undefined, key);
  }
}

/** Fires what has been reached; answers how many thresholds that were. */
export function check({ commands }: TrialService): Promise<number> {
  return commands.execute(new CheckBudgetsCommand());
}

/** Sends what is due; answers how many webhooks were taken. */
export function deliver(
  { commands }: TrialService,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  return commands.execute(new DeliverWebhooksCommand(signal));
}
