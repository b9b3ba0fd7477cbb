import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import type { OrgScope } from '../../access/principal';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { exactInteger } from '../../shared/decimal';
import { AppError } from '../../shared/errors';
import type { ListPosition } from '../../shared/list-cursor';
import type { QuarantineReason } from '../../shared/usage-event/usage-event';
import type { QuarantinedEvent, QuarantinedEventDetail, QuarantineState } from './quarantine.dto';

const listQuarantinedEvents = sql('quarantine/list-quarantined-events');
const getQuarantinedEvent = sql('quarantine/get-quarantined-event');
const reviewQuarantinedEvent = sql('quarantine/review-quarantined-event');

export interface QuarantineFilter {
  readonly states: readonly QuarantineState[] | null;
  readonly reasons: readonly QuarantineReason[] | null;
  readonly start: Date | null;
  readonly end: Date | null;
  readonly partition: number | null;
  readonly fromOffset: number | null;
  readonly toOffset: number | null;
}

export interface Review {
  readonly state: 'replayed' | 'dismissed';
  /** Id of the principal. */
  readonly by: string;
  readonly reason: string | null;
  readonly outcome: 'stored' | 'duplicate' | null;
  readonly correctedPayload: Record<string, unknown> | null;
}

/** A quarantined event as it is stored, with the bytes that arrived. */
export interface KeptEvent extends QuarantinedEventDetail {
  readonly payloadBuffer: Buffer;
}

type EventRow = Omit<QuarantinedEvent, 'occurredAt' | 'quarantinedAt' | 'reviewedAt' | 'streamOffset'> & {
  readonly occurredAt: Date | null;
  readonly quarantinedAt: Date;
  readonly reviewedAt: Date | null;
  readonly streamOffset: string | null;
};
type DetailRow = EventRow &
  Pick<KeptEvent, 'payloadBuffer' | 'payloadHash' | 'storedPayloadHash' | 'correctedPayload'>;

/** The rows of the quarantine. A scope of `null` is that of the platform: all organisations, and events that name none. */
@Injectable()
export class QuarantinedEvents {
  constructor(private readonly pool: ApiPool) {}

  /** Newest first. */
  async list(
    scope: OrgScope | null,
    filter: QuarantineFilter,
    after: ListPosition | null,
    limit: number,
  ): Promise<(ListPosition & { event: QuarantinedEvent })[]> {
    const { states, reasons, start, end, partition, fromOffset, toOffset } = filter;
    const { rows } = await this.pool.query<ListPosition & EventRow>({
      ...listQuarantinedEvents,
      values: [
        scope?.orgId ?? null,
        states,
        reasons,
        start,
        end,
        partition,
        fromOffset,
        toOffset,
        after?.micros ?? null,
        after?.id ?? null,
        limit,
      ],
    });
    return rows.map(({ id, micros, ...row }) => ({ id, micros, event: describe(row) }));
  }

  /** Throws the same `not_found` for an event of another organisation as for one that does not exist. */
  async get(scope: OrgScope | null, quarantineId: string): Promise<KeptEvent> {
    const { rows } = await this.pool.query<DetailRow>({
      ...getQuarantinedEvent,
      values: [scope?.orgId ?? null, quarantineId],
    });
    const [row] = rows;
    if (!row) throw new AppError('not_found', 'There is no such quarantined event.');
    const { payloadBuffer, payloadBytes } = row;
    const payloadEncoding = isUtf8(payloadBuffer) ? 'utf-8' : 'base64';
    return {
      ...row,
      ...describe(row),
      payload: payloadBuffer.toString(payloadEncoding),
      payloadEncoding,
      payloadTruncated: payloadBuffer.length < payloadBytes,
    };
  }

  /** Throws `conflict` for an event that is reviewed already, also by somebody who was faster. */
  async review(
    quarantineId: string,
    { state, by, reason, outcome, correctedPayload }: Review,
  ): Promise<void> {
    const corrected = correctedPayload === null ? null : JSON.stringify(correctedPayload);
    const { rowCount } = await this.pool.query({
      ...reviewQuarantinedEvent,
      values: [quarantineId, state, by, reason, outcome, corrected],
    });
    if (rowCount !== 1) throw alreadyReviewed();
  }
}

export function alreadyReviewed(): AppError {
  return new AppError('conflict', 'This event was replayed or dismissed already: ask for it to see by whom.');
}

/** Without the bytes. */
export function detailOf({ payloadBuffer: _bytes, ...detail }: KeptEvent): QuarantinedEventDetail {
  return detail;
}

function describe(row: EventRow): QuarantinedEvent {
  return {
    quarantineId: row.quarantineId,
    orgId: row.orgId,
    eventId: row.eventId,
    occurredAt: row.occurredAt?.toISOString() ?? null,
    reason: row.reason,
    detail: row.detail,
    state: row.state,
    partition: row.partition,
    incarnation: row.incarnation,
    streamOffset: row.streamOffset === null ? null : exactInteger(row.streamOffset),
    position: row.position,
    payloadBytes: row.payloadBytes,
    quarantinedAt: row.quarantinedAt.toISOString(),
    reviewedAt: row.reviewedAt?.toISOString() ?? null,
    reviewedBy: row.reviewedBy,
    reviewReason: row.reviewReason,
    replayOutcome: row.replayOutcome,
  };
}
