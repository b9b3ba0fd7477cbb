import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../../access/principal';
import { Clock } from '../../../shared/clock';
import { AppError } from '../../../shared/errors';
import { pageOf, positionOf } from '../../../shared/list-cursor';
import { INSTANT_FORMS, parseInstant } from '../../../shared/time-window';
import { TimeZone } from '../../../shared/time-zone';
import type { ListQuarantineDto, QuarantinePage } from '../quarantine.dto';
import { QuarantinedEvents } from '../quarantined-events';

const PAGE = 50;

/** Quarantined events, newest first; a scope of `null` is that of the platform. */
export class ListQuarantineQuery extends Query<QuarantinePage> {
  constructor(
    readonly scope: OrgScope | null,
    readonly parameters: ListQuarantineDto,
  ) {
    super();
  }
}

@QueryHandler(ListQuarantineQuery)
export class ListQuarantineHandler implements IQueryHandler<ListQuarantineQuery> {
  constructor(
    private readonly quarantine: QuarantinedEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ scope, parameters }: ListQuarantineQuery): Promise<QuarantinePage> {
    const { state, reason, partition, fromOffset, toOffset, cursor, limit = PAGE } = parameters;
    const start = this.instant('start', parameters.start);
    const end = this.instant('end', parameters.end);
    if (start && end && start >= end) throw AppError.invalidParameter('end', 'must be after start.');
    if (fromOffset !== undefined && toOffset !== undefined && fromOffset >= toOffset)
      throw AppError.invalidParameter('toOffset', 'must be above fromOffset.');
    const filter = {
      states: state ? [state] : null,
      reasons: reason ?? null,
      start,
      end,
      partition: partition ?? null,
      fromOffset: fromOffset ?? null,
      toOffset: toOffset ?? null,
    };
    const found = await this.quarantine.list(scope, filter, positionOf(cursor), limit + 1);
    const { rows, nextCursor } = pageOf(found, limit);
    return { events: rows.map(({ event }) => event), nextCursor };
  }

  private instant(side: 'start' | 'end', text: string | undefined): Date | null {
    if (text === undefined) return null;
    const now = this.clock.now().getTime();
    const parsed = parseInstant(text, { now, zone: TimeZone.UTC, side });
    if (parsed === undefined) throw AppError.invalidParameter(side, `must be ${INSTANT_FORMS}.`);
    return new Date(parsed);
  }
}
