import { Module } from '@nestjs/common';
import { ClosedBuckets } from './closed-buckets';
import { OrgUsageController } from './org-usage.controller';
import { PlatformUsageController } from './platform-usage.controller';
import { GetPlatformReliabilityHandler } from './queries/get-platform-reliability.query';
import { GetPlatformUsageHandler } from './queries/get-platform-usage.query';
import { GetReliabilityHandler } from './queries/get-reliability.query';
import { GetSpendHandler } from './queries/get-spend.query';
import { GetUsageHandler } from './queries/get-usage.query';
import { GetSummaryHandler } from './queries/get-summary.query';
import { QuestionLimits } from './question-limits';
import { ListClientsHandler } from './queries/list-clients.query';
import { ListErrorsHandler } from './queries/list-errors.query';
import { ListModelsHandler } from './queries/list-models.query';
import { ListOrgsHandler } from './queries/list-orgs.query';
import { SeriesReader } from './series-reader';

/** Answers questions from events and rollups. */
@Module({
  controllers: [OrgUsageController, PlatformUsageController],
  providers: [
    ClosedBuckets,
    QuestionLimits,
    SeriesReader,
    GetUsageHandler,
    GetReliabilityHandler,
    GetPlatformUsageHandler,
    GetPlatformReliabilityHandler,
    GetSummaryHandler,
    GetSpendHandler,
    ListErrorsHandler,
    ListModelsHandler,
    ListClientsHandler,
    ListOrgsHandler,
  ],
})
export class AggregationModule {}
