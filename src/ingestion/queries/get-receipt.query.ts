import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { AppError } from '../../shared/errors';
import { DAY_MS } from '../../shared/time-zone';
import type { QuarantineEntry, Receipt, StoredEvent } from '../receipt.dto';

const findEvent = sql('ingestion/find-event');
const findEventInQuarantine = sql('ingestion/find-event-in-quarantine');

/** What became of one event. Throws `not_found` for an identity that is not known, or no longer. */
export class GetReceiptQuery extends Query<Receipt> {
  constructor(
    readonly scope: OrgScope,
    readonly eventId: string,
  ) {
    super();
  }
}

type EventRow = Omit<StoredEvent, 'occurredAt' | 'receivedAt'> & {
  readonly occurredAt: Date;
  readonly receivedAt: Date;
};
type EntryRow = Omit<QuarantineEntry, 'quarantinedAt' | 'reviewedAt'> & {
  readonly quarantinedAt: Date;
  readonly reviewedAt: Date | null;
};

@QueryHandler(GetReceiptQuery)
export class GetReceiptHandler implements IQueryHandler<GetReceiptQuery> {
  constructor(
    private readonly pool: ApiPool,
    private readonly config: Config,
  ) {}

  async execute({ scope: { orgId }, eventId }: GetReceiptQuery): Promise<Receipt> {
    const event = await this.findEvent(orgId, eventId);
    const quarantine = await this.findInQuarantine(orgId, eventId);
    if (event === null && quarantine.length === 0) {
      const days = Math.floor(this.config.rawRetention / DAY_MS);
      throw new AppError(
        'not_found',
        `No event of this id is known; single events are kept for ${days} days.`,
      );
    }
    return { orgId, eventId, state: event ? 'stored' : 'quarantined', event, quarantine };
  }

  private async findEvent(orgId: string, eventId: string): Promise<StoredEvent | null> {
    const near = instantOf(eventId);
    const row =
      (near === undefined ? undefined : await this.readEvent(orgId, eventId, near)) ??
      (await this.readEvent(orgId, eventId));
    return (
      row && { ...row, occurredAt: row.occurredAt.toISOString(), receivedAt: row.receivedAt.toISOString() }
    );
  }

  private async readEvent(orgId: string, eventId: string, near?: number): Promise<EventRow | null> {
    const range = near === undefined ? [null, null] : [new Date(near - DAY_MS), new Date(near + DAY_MS)];
    const { rows } = await this.pool.query<EventRow>({ ...findEvent, values: [orgId, eventId, ...range] });
    return rows[0] ?? null;
  }

  private async findInQuarantine(orgId: string, eventId: string): Promise<QuarantineEntry[]> {
    const { rows } = await this.pool.query<EntryRow>({ ...findEventInQuarantine, values: [orgId, eventId] });
    return rows.map((row) => ({
      ...row,
      quarantinedAt: row.quarantinedAt.toISOString(),
      reviewedAt: row.reviewedAt?.toISOString() ?? null,
    }));
  }
}

/**
 * When a UUID of version 7 was made (RFC 9562, 5.7), milliseconds since the epoch: an event is mostly found near it
 * without looking at every day. `undefined` for other versions.
 */
function instantOf(eventId: string): number | undefined {
  if (eventId.charAt(14) !== '7') return undefined;
  return Number.parseInt(eventId.slice(0, 8) + eventId.slice(9, 13), 16);
}
