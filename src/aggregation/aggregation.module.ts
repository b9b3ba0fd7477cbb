import { Module } from '@nestjs/common';
import { OrgUsageController } from './org-usage.controller';
import { PlatformUsageController } from './platform-usage.controller';
import { GetPlatformReliabilityHandler } from './queries/get-platform-reliability.query';
import { GetPlatformUsageHandler } from './queries/get-platform-usage.query';
import { GetReliabilityHandler } from './queries/get-reliability.query';
import { GetUsageHandler } from './queries/get-usage.query';
import { SeriesReader } from './series-reader';

/** Answers questions from events and rollups. */
@Module({
  controllers: [OrgUsageController, PlatformUsageController],
  providers: [
    SeriesReader,
    GetUsageHandler,
    GetReliabilityHandler,
    GetPlatformUsageHandler,
    GetPlatformReliabilityHandler,
  ],
})
export class AggregationModule {}
