import { Injectable } from '@nestjs/common';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import { decodeUsageMessage } from '../../shared/usage-event/decode-usage-message';
import type { PositionedEvent, RejectedEvent } from '../../shared/usage-event/usage-event';
import { decodeRulesOf } from '../decode-rules';
import { rawHorizon } from '../../shared/raw-horizon';

const readRawHorizon = sql('quarantine/raw-horizon');

/** Reads single events by the rules of the deployment, or with the late horizon moved as far back as raw data goes. */
@Injectable()
export class AdmissibleEvents {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
  ) {}

  /** The one event of a body. Throws `unanswerable` with what is wrong and what would do. */
  async read(body: Buffer, admitLate: boolean): Promise<PositionedEvent> {
    const now = this.clock.now().getTime();
    const earliest = await this.earliest(now);
    const rules = decodeRulesOf(this.config);
    const { events, rejects } = decodeUsageMessage(
      body,
      admitLate ? { ...rules, lateHorizon: now - earliest } : rules,
      now,
      null,
    );
    const [reject] = rejects;
    if (reject) throw refusal(reject.reject, admitLate, new Date(earliest), now);
    const [event] = events;
    if (event && events.length === 1) return event;
    throw new AppError('unanswerable', `A payload must hold one event, not ${events.length}.`);
  }

  private async earliest(now: number): Promise<number> {
    const { rows } = await this.pool.query<{ raw_from: Date | null }>(readRawHorizon);
    return rawHorizon(rows[0]?.raw_from ?? null, this.config.rawRetention, now);
  }
}

function refusal(
  { reason, detail, occurredAt }: RejectedEvent,
  admitLate: boolean,
  earliest: Date,
  now: number,
): AppError {
  const violations = [{ pointer: '/payload', detail }];
  if (reason !== 'too_late') return new AppError('unanswerable', `${reason}: ${detail}`, { violations });
  const kept = `Single events are kept from ${earliest.toISOString()} on`;
  const isKept = !admitLate && occurredAt !== null && occurredAt >= earliest.getTime() && occurredAt <= now;
  return new AppError(
    'unanswerable',
    isKept
      ? `It occurred before the late horizon. ${kept}: send admitLate: true to count it all the same.`
      : `${kept}: what occurred earlier can no longer be counted. Dismiss it.`,
    { violations: isKept ? [{ pointer: '/admitLate', detail: 'must be true for this event.' }] : violations },
  );
}
