import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { ApiPool } from '../../../platform/database/pools';
import { sql } from '../../../platform/database/sql';
import { Clock } from '../../../shared/clock';
import { AppError } from '../../../shared/errors';
import { INSTANT_FORMS, parseInstant } from '../../../shared/time-window';
import { TimeZone } from '../../../shared/time-zone';
import type { AuditEntryAnswer, AuditPage, ListAuditDto } from '../audit.dto';

const listEntries = sql('access/list-audit-entries');
const CURSOR = /^[1-9]\d{0,17}$/;

/** Decisions, newest first. */
export class ListAuditQuery extends Query<AuditPage> {
  constructor(readonly parameters: ListAuditDto) {
    super();
  }
}

@QueryHandler(ListAuditQuery)
export class ListAuditHandler implements IQueryHandler<ListAuditQuery> {
  constructor(
    private readonly pool: ApiPool,
    private readonly clock: Clock,
  ) {}

  async execute({ parameters }: ListAuditQuery): Promise<AuditPage> {
    const { principalId, orgId, permission, decision, start, end, cursor, limit = 50 } = parameters;
    const [from, until] = [this.instant('start', start), this.instant('end', end)];
    if (from && until && from >= until) throw AppError.invalidParameter('end', 'must be after start.');
    const { rows } = await this.pool.query<AuditEntryAnswer>({
      ...listEntries,
      values: [
        principalId ?? null,
        orgId?.toLowerCase() ?? null,
        permission ?? null,
        decision ?? null,
        from,
        until,
        before(cursor),
        limit + 1,
      ],
    });
    const entries = rows.slice(0, limit);
    const last = entries.at(-1);
    return { entries, nextCursor: last && rows.length > limit ? last.sequence : null };
  }

  private instant(name: 'start' | 'end', text: string | undefined): Date | null {
    if (text === undefined) return null;
    const instant = parseInstant(text, { now: this.clock.now().getTime(), zone: TimeZone.UTC, side: name });
    if (instant === undefined) throw AppError.invalidParameter(name, `must be ${INSTANT_FORMS}.`);
    return new Date(instant);
  }
}

function before(cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  if (!CURSOR.test(cursor)) throw AppError.invalidParameter('cursor', 'must be the nextCursor of the page before.'); // prettier-ignore
  return cursor;
}
