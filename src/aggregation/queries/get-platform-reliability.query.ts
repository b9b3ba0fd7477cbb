import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { Tabular } from '../answer-format.interceptor';
import { QuestionLimits } from '../question-limits';
import { type ReliabilityAnswer, reliabilityAnswer } from '../reliability-answer';
import type { PlatformReliabilityParameters } from '../series-parameters.dto';
import { askPercentiles, askSeries } from '../series-question';
import { SeriesReader } from '../series-reader';

/** How reliable and how fast the requests of all organisations were. Only behind a permission for the platform. */
export class GetPlatformReliabilityQuery extends Query<Tabular<ReliabilityAnswer>> {
  constructor(readonly parameters: PlatformReliabilityParameters) {
    super();
  }
}

@QueryHandler(GetPlatformReliabilityQuery)
export class GetPlatformReliabilityHandler implements IQueryHandler<GetPlatformReliabilityQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly reader: SeriesReader,
  ) {}

  async execute({ parameters }: GetPlatformReliabilityQuery): Promise<Tabular<ReliabilityAnswer>> {
    const question = askSeries(parameters, {
      now: this.clock.now(),
      limits: await this.limits.read(),
      platformWide: true,
      percentiles: askPercentiles(parameters.percentile),
    });
    const freshness = await this.queries.execute(new GetFreshnessQuery(null, question.current.buckets));
    const cells = await this.reader.readPlatform(question);
    return reliabilityAnswer(question, cells, freshness);
  }
}
