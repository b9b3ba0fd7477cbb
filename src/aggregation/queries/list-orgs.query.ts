import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from '../answer-format.interceptor';
import { listWindow, type OrgsAnswer, USED_COLUMNS, usedItem, type UsedRow } from '../list-answer.dto';
import { askPage, cutPage } from '../list-page';
import type { ListParameters } from '../list-parameters.dto';
import { QuestionLimits } from '../question-limits';
import { inReadingTransaction } from '../reading-transaction';

const orgs = sql('aggregation/orgs');
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The organisations that used anything. Only behind a permission for the platform. */
export class ListOrgsQuery extends Query<Tabular<OrgsAnswer>> {
  constructor(readonly parameters: ListParameters) {
    super();
  }
}

@QueryHandler(ListOrgsQuery)
export class ListOrgsHandler implements IQueryHandler<ListOrgsQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly pool: ApiPool,
  ) {}

  async execute({ parameters }: ListOrgsQuery): Promise<Tabular<OrgsAnswer>> {
    const page = askPage(parameters, ['orgs'], { limits: await this.limits.read(), now: this.clock.now() });
    const { window, after, limit } = page;
    if (after !== null && !UUID.test(after))
      throw AppError.invalidParameter('cursor', 'is damaged: leave it out.');
    const freshness = await this.queries.execute(new GetFreshnessQuery(null, window));
    const read = await inReadingTransaction(this.pool, (client) =>
      client.query<UsedRow & { orgId: string }>({
        ...orgs,
        values: [new Date(window.start), new Date(window.end), after, limit + 1],
      }),
    );
    const { rows, nextCursor } = cutPage(read.rows, page, ({ orgId }) => orgId);
    return {
      columns: tableColumns(['orgId', ...USED_COLUMNS]),
      answer: {
        items: rows.map((row) => ({ orgId: row.orgId, ...usedItem(row) })),
        window: listWindow(window, 'day'),
        freshness,
        nextCursor,
      },
    };
  }
}
