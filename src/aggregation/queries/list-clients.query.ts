import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from '../answer-format.interceptor';
import { listWindow, type ClientsAnswer, USED_COLUMNS, usedItem, type UsedRow } from '../list-answer.dto';
import { askPage, cutPage } from '../list-page';
import type { ClientsParameters } from '../list-parameters.dto';
import { QuestionLimits } from '../question-limits';
import { inReadingTransaction } from '../reading-transaction';

const clients = sql('aggregation/clients');

/** The clients of an organisation that named themselves. */
export class ListClientsQuery extends Query<Tabular<ClientsAnswer>> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: ClientsParameters,
  ) {
    super();
  }
}

@QueryHandler(ListClientsQuery)
export class ListClientsHandler implements IQueryHandler<ListClientsQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly pool: ApiPool,
  ) {}

  async execute({ scope: { orgId }, parameters }: ListClientsQuery): Promise<Tabular<ClientsAnswer>> {
    const { modelId = null } = parameters;
    const page = askPage(parameters, ['clients', orgId, modelId], {
      limits: await this.limits.read(),
      now: this.clock.now(),
    });
    const { window, after, limit } = page;
    const freshness = await this.queries.execute(new GetFreshnessQuery(orgId, window));
    const read = await inReadingTransaction(this.pool, (client) =>
      client.query<UsedRow & { clientId: string }>({
        ...clients,
        values: [orgId, new Date(window.start), new Date(window.end), modelId, after, limit + 1],
      }),
    );
    const { rows, nextCursor } = cutPage(read.rows, page, ({ clientId }) => clientId);
    return {
      columns: tableColumns(['clientId', ...USED_COLUMNS]),
      answer: {
        items: rows.map((row) => ({ clientId: row.clientId, ...usedItem(row) })),
        window: listWindow(window, 'day'),
        freshness,
        nextCursor,
      },
    };
  }
}
