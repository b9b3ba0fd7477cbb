import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { Tabular } from '../answer-format.interceptor';
import { QuestionLimits } from '../question-limits';
import type { SummaryParameters } from '../series-parameters.dto';
import { askPercentiles, askSeries, type QuestionContext, type SeriesQuestion } from '../series-question';
import { SeriesReader } from '../series-reader';
import { type SummaryAnswer, summaryAnswer } from '../summary-answer';

/** What an organisation used and how well it ran, in one row, with the change against the period before. */
export class GetSummaryQuery extends Query<Tabular<SummaryAnswer>> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: SummaryParameters,
  ) {
    super();
  }
}

@QueryHandler(GetSummaryQuery)
export class GetSummaryHandler implements IQueryHandler<GetSummaryQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly queries: QueryBus,
    private readonly reader: SeriesReader,
  ) {}

  async execute({ scope, parameters }: GetSummaryQuery): Promise<Tabular<SummaryAnswer>> {
    const question = askSummary(parameters, {
      now: this.clock.now(),
      limits: await this.limits.read(),
      platformWide: false,
      percentiles: askPercentiles(parameters.percentile),
    });
    const freshness = await this.queries.execute(
      new GetFreshnessQuery(scope.orgId, question.current.buckets),
    );
    const cells = await this.reader.readOrg(scope, question);
    return summaryAnswer(question, cells, freshness, this.config.currency);
  }
}

/** A summary of a window whose predecessor is no longer kept goes without the comparison. */
function askSummary(parameters: SummaryParameters, context: QuestionContext): SeriesQuestion {
  try {
    return askSeries({ ...parameters, compare: 'previous' }, context);
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'unanswerable') throw error;
    return askSeries(parameters, context);
  }
}
