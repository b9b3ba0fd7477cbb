import { Module } from '@nestjs/common';
import { FreshnessController } from './freshness.controller';
import { IngestionController } from './ingestion.controller';
import { GetFreshnessHandler } from './queries/get-freshness.handler';
import { GetIngestionHandler } from './queries/get-ingestion.query';
import { GetOrgFreshnessHandler } from './queries/get-org-freshness.query';

/** How far data reaches, how late it is, and whether an answer can still change. */
@Module({
  controllers: [FreshnessController, IngestionController],
  providers: [GetFreshnessHandler, GetOrgFreshnessHandler, GetIngestionHandler],
})
export class FreshnessModule {}
