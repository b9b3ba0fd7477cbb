import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import { type Tabular, tableColumns } from '../answer-format.interceptor';
import { listWindow, type ModelsAnswer, USED_COLUMNS, usedItem, type UsedRow } from '../list-answer.dto';
import { askPage, cutPage } from '../list-page';
import type { ModelsParameters } from '../list-parameters.dto';
import { QuestionLimits } from '../question-limits';
import { inReadingTransaction } from '../reading-transaction';

const models = sql('aggregation/models');

/** The models that an organisation used. */
export class ListModelsQuery extends Query<Tabular<ModelsAnswer>> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: ModelsParameters,
  ) {
    super();
  }
}

@QueryHandler(ListModelsQuery)
export class ListModelsHandler implements IQueryHandler<ListModelsQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly pool: ApiPool,
  ) {}

  async execute({ scope: { orgId }, parameters }: ListModelsQuery): Promise<Tabular<ModelsAnswer>> {
    const { clientId = null } = parameters;
    const page = askPage(parameters, ['models', orgId, clientId], {
      limits: await this.limits.read(),
      now: this.clock.now(),
    });
    const { window, after, limit } = page;
    const freshness = await this.queries.execute(new GetFreshnessQuery(orgId, window));
    const read = await inReadingTransaction(this.pool, (client) =>
      client.query<UsedRow & { modelId: string }>({
        ...models,
        values: [orgId, new Date(window.start), new Date(window.end), clientId, after, limit + 1],
      }),
    );
    const { rows, nextCursor } = cutPage(read.rows, page, ({ modelId }) => modelId);
    return {
      columns: tableColumns(['modelId', ...USED_COLUMNS]),
      answer: {
        items: rows.map((row) => ({ modelId: row.modelId, ...usedItem(row) })),
        window: listWindow(window, 'day'),
        freshness,
        nextCursor,
      },
    };
  }
}
