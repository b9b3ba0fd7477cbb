import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { Tabular } from '../answer-format.interceptor';
import { QuestionLimits } from '../question-limits';
import { type ReliabilityAnswer, reliabilityAnswer } from '../reliability-answer';
import type { ReliabilityParameters } from '../series-parameters.dto';
import { askPercentiles, askSeries } from '../series-question';
import { SeriesReader } from '../series-reader';

/** How reliable and how fast an organisation's requests were, per bucket and group. */
export class GetReliabilityQuery extends Query<Tabular<ReliabilityAnswer>> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: ReliabilityParameters,
  ) {
    super();
  }
}

@QueryHandler(GetReliabilityQuery)
export class GetReliabilityHandler implements IQueryHandler<GetReliabilityQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly reader: SeriesReader,
  ) {}

  async execute({ scope, parameters }: GetReliabilityQuery): Promise<Tabular<ReliabilityAnswer>> {
    const question = askSeries(parameters, {
      now: this.clock.now(),
      limits: await this.limits.read(),
      platformWide: false,
      percentiles: askPercentiles(parameters.percentile),
    });
    const freshness = await this.queries.execute(
      new GetFreshnessQuery(scope.orgId, question.current.buckets),
    );
    const cells = await this.reader.readOrg(scope, question);
    return reliabilityAnswer(question, cells, freshness);
  }
}
