import { type DynamicModule, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { AccessModule } from './access/access.module';
import { AggregationModule } from './aggregation/aggregation.module';
import { RollupsModule } from './aggregation/rollups.module';
import { BudgetsModule } from './budgets/budgets.module';
import { CanaryModule } from './canary/canary.module';
import { CertificatesModule } from './certificates/certificates.module';
import { ExportsModule } from './exports/exports.module';
import { FreshnessModule } from './freshness/freshness.module';
import type { Config } from './platform/config/config';
import { IngestionModule } from './ingestion/ingestion.module';
import { IngestionRepairModule } from './ingestion/repair.module';
import { PlatformModule } from './platform/platform.module';
import { ReaggregationModule } from './reaggregation/reaggregation.module';

/** The one file that knows every module. */
@Module({})
export class AppModule {
  static of(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.of(config),
        CqrsModule.forRoot(),
        AccessModule,
        IngestionModule.of(config),
        IngestionRepairModule.of(config),
        RollupsModule,
        AggregationModule,
        FreshnessModule,
        CertificatesModule,
        ReaggregationModule.of(config),
        ExportsModule.of(config),
        BudgetsModule.of(config),
        CanaryModule,
      ],
    };
  }
}
