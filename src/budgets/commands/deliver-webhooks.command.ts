import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { WorkerPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { HOUR_MS } from '../../shared/time-zone';
import { budgetWebhooks, type WEBHOOK_OUTCOMES } from '../budget.metrics';
import { type BudgetPeriod, BudgetsFile } from '../budgets-file';
import { Webhooks } from '../webhooks';

const claimWebhook = sql('budgets/claim-webhook');
const settleWebhook = sql('budgets/settle-webhook');
const returnWebhook = sql('budgets/return-webhook');

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = HOUR_MS;

/**
 * Attempts every webhook of a fired threshold that is due, each once; answers how many were delivered. What an aborted
 * `signal` breaks off counts as no attempt.
 */
export class DeliverWebhooksCommand extends Command<number> {
  constructor(readonly signal: AbortSignal) {
    super();
  }
}

interface Claimed {
  readonly alertId: string;
  readonly orgId: string;
  readonly period: BudgetPeriod;
  readonly periodName: string;
  readonly percent: number;
  readonly amount: string;
  readonly spent: string;
  readonly currency: string;
  readonly firedAt: Date;
  readonly attempts: number;
}

/**
 * Attempts are claimed one by one, so that two processes never send the same at once. After a process that died between
 * the receiver's answer and the note of it the webhook is sent again, with the same id.
 */
@CommandHandler(DeliverWebhooksCommand)
export class DeliverWebhooksHandler implements ICommandHandler<DeliverWebhooksCommand> {
  private readonly logger = new Logger(DeliverWebhooksHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: WorkerPool,
    private readonly file: BudgetsFile,
    private readonly webhooks: Webhooks,
  ) {}

  async execute({ signal }: DeliverWebhooksCommand): Promise<number> {
    // Not a clock that goes on: pauses end while others are sent, and a receiver that hangs would keep it busy for ever.
    const due = this.clock.now();
    let delivered = 0;
    while (!signal.aborted) {
      const alert = await this.claim(due);
      if (!alert) break;
      if ((await this.attempt(alert, signal)) === 'delivered') delivered += 1;
    }
    return delivered;
  }

  private async claim(due: Date): Promise<Claimed | undefined> {
    // Longer than an attempt can take.
    const again = new Date(
      this.clock.now().getTime() + 2 * this.config.budgetWebhookTimeout + FIRST_PAUSE_MS,
    );
    const { rows } = await this.pool.query<Claimed>({ ...claimWebhook, values: [due, again] });
    return rows[0];
  }

  /** `undefined` when it was broken off. */
  private async attempt(
    alert: Claimed,
    signal: AbortSignal,
  ): Promise<(typeof WEBHOOK_OUTCOMES)[number] | undefined> {
    const { alertId, orgId, period, attempts } = alert;
    const budget = this.file.of(orgId).find((each) => each.period === period);
    const url = budget?.webhook ?? null;
    const failure =
      url === null
        ? 'The budget names no webhook any more.'
        : await this.webhooks.send(url, alertId, bodyOf(alert), signal);
    if (failure !== null && signal.aborted) {
      await this.pool.query({ ...returnWebhook, values: [alertId, attempts, this.clock.now()] });
      return undefined;
    }
    const outcome =
      failure === null
        ? 'delivered'
        : url === null || attempts >= this.config.budgetWebhookAttempts
          ? 'failed'
          : 'retried';
    const now = this.clock.now();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS);
    await this.pool.query({
      ...settleWebhook,
      values: [
        alertId,
        attempts,
        outcome === 'retried' ? 'pending' : outcome,
        new Date(now.getTime() + pause),
        failure,
        now,
      ],
    });
    budgetWebhooks.inc({ outcome });
    if (outcome === 'failed')
      this.logger.error({ orgId, alertId, failure }, 'A webhook of a budget is given up');
    return outcome;
  }
}

function bodyOf({ alertId, firedAt, orgId, period, periodName, percent, amount, spent, currency }: Claimed) {
  return JSON.stringify({
    id: alertId,
    type: 'budget.threshold_crossed',
    firedAt: firedAt.toISOString(),
    orgId,
    period,
    periodName,
    thresholdPercent: percent,
    amount,
    spent,
    currency,
  });
}
