import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { exactInteger, ratioOf } from '../../shared/decimal';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from '../answer-format.interceptor';
import { requireEvents } from '../choose-relation';
import { type ErrorItem, type ErrorsAnswer, listWindow } from '../list-answer.dto';
import type { ErrorsParameters } from '../list-parameters.dto';
import { QuestionLimits } from '../question-limits';
import { inReadingTransaction } from '../reading-transaction';
import { askWindow } from '../series-question';

const errors = sql('aggregation/errors');
const DEFAULT_LIMIT = 50;

/** The most frequent failures of an organisation, from its single events. */
export class ListErrorsQuery extends Query<Tabular<ErrorsAnswer>> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: ErrorsParameters,
  ) {
    super();
  }
}

interface ErrorRow {
  readonly isTotal: boolean;
  readonly status: string;
  readonly errorCode: string | null;
  readonly modelId: string;
  readonly clientId: string;
  readonly requests: string;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
}

@QueryHandler(ListErrorsQuery)
export class ListErrorsHandler implements IQueryHandler<ListErrorsQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly pool: ApiPool,
  ) {}

  async execute({ scope: { orgId }, parameters }: ListErrorsQuery): Promise<Tabular<ErrorsAnswer>> {
    const now = this.clock.now();
    const { groupBy = [], modelId = null, clientId = null, limit = DEFAULT_LIMIT } = parameters;
    const { zone, ...asked } = askWindow(parameters, now);
    const window = { start: zone.floor(asked.start, 'minute'), end: zone.ceil(asked.end, 'minute') };
    requireEvents(window, await this.limits.read(), now);
    const [byModel, byClient] = [groupBy.includes('model'), groupBy.includes('client')];
    const freshness = await this.queries.execute(new GetFreshnessQuery(orgId, window));
    const { rows } = await inReadingTransaction(this.pool, (client) =>
      client.query<ErrorRow>({
        ...errors,
        values: [
          orgId,
          new Date(window.start),
          new Date(window.end),
          modelId,
          clientId,
          byModel,
          byClient,
          limit + 1,
        ],
      }),
    );
    const [total, ...counted] = rows;
    const all = total?.requests ?? '0';
    const itemOf = (row: ErrorRow): ErrorItem => ({
      errorCode: row.errorCode,
      status: row.status,
      ...(byModel && { modelId: row.modelId }),
      ...(byClient && { clientId: row.clientId || null }),
      requests: exactInteger(row.requests),
      share: ratioOf(row.requests, all),
      firstSeenAt: row.firstSeenAt.toISOString(),
      lastSeenAt: row.lastSeenAt.toISOString(),
    });
    const groups = [...(byModel ? ['modelId'] : []), ...(byClient ? ['clientId'] : [])];
    return {
      columns: tableColumns([
        'errorCode',
        'status',
        ...groups,
        'requests',
        'share',
        'firstSeenAt',
        'lastSeenAt',
      ]),
      answer: {
        items: counted.map(itemOf),
        totals: { requests: exactInteger(all) },
        window: listWindow(window, 'minute', zone.name),
        freshness,
        nextCursor: null,
      },
    };
  }
}
