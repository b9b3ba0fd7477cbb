import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { Tabular } from '../answer-format.interceptor';
import { QuestionLimits } from '../question-limits';
import type { UsageParameters } from '../series-parameters.dto';
import { askSeries } from '../series-question';
import { SeriesReader } from '../series-reader';
import { type UsageAnswer, usageAnswer } from '../usage-answer';

/** How much an organisation used and what it cost, per bucket and group. */
export class GetUsageQuery extends Query<Tabular<UsageAnswer>> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: UsageParameters,
  ) {
    super();
  }
}

@QueryHandler(GetUsageQuery)
export class GetUsageHandler implements IQueryHandler<GetUsageQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly reader: SeriesReader,
  ) {}

  async execute({ scope, parameters }: GetUsageQuery): Promise<Tabular<UsageAnswer>> {
    const question = askSeries(parameters, {
      now: this.clock.now(),
      limits: await this.limits.read(),
      platformWide: false,
      percentiles: [],
    });
    const freshness = await this.queries.execute(
      new GetFreshnessQuery(scope.orgId, question.current.buckets),
    );
    const cells = await this.reader.readOrg(scope, question);
    return usageAnswer(question, cells, freshness, this.config.currency);
  }
}
