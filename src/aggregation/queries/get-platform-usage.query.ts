import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { Tabular } from '../answer-format.interceptor';
import { QuestionLimits } from '../question-limits';
import type { PlatformUsageParameters } from '../series-parameters.dto';
import { askSeries } from '../series-question';
import { SeriesReader } from '../series-reader';
import { type UsageAnswer, usageAnswer } from '../usage-answer';

/** How much all organisations used and what it cost. Only behind a permission for the platform. */
export class GetPlatformUsageQuery extends Query<Tabular<UsageAnswer>> {
  constructor(readonly parameters: PlatformUsageParameters) {
    super();
  }
}

@QueryHandler(GetPlatformUsageQuery)
export class GetPlatformUsageHandler implements IQueryHandler<GetPlatformUsageQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly reader: SeriesReader,
  ) {}

  async execute({ parameters }: GetPlatformUsageQuery): Promise<Tabular<UsageAnswer>> {
    const question = askSeries(parameters, {
      now: this.clock.now(),
      limits: await this.limits.read(),
      platformWide: true,
      percentiles: [],
    });
    const freshness = await this.queries.execute(new GetFreshnessQuery(null, question.current.buckets));
    const cells = await this.reader.readPlatform(question);
    return usageAnswer(question, cells, freshness, this.config.currency);
  }
}
