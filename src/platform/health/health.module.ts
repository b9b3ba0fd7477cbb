import { Global, Module, type OnModuleInit } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { DatabaseSchema } from '../database/database-schema';
import { ApiPool } from '../database/pools';
import { MetricsController } from '../telemetry/metrics.controller';
import { HealthController } from './health.controller';
import { ReadinessChecks } from './readiness-checks';
import { StartupGuard } from './startup.guard';

@Global()
@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController, MetricsController],
  providers: [ReadinessChecks, { provide: APP_GUARD, useClass: StartupGuard }],
  exports: [ReadinessChecks],
})
export class HealthModule implements OnModuleInit {
  constructor(
    private readonly checks: ReadinessChecks,
    private readonly schema: DatabaseSchema,
    private readonly pool: ApiPool,
  ) {}

  onModuleInit(): void {
    this.checks.register('database', async () => {
      const { status } = this.schema;
      if (status.state === 'waiting') throw new Error(status.reason);
      await this.pool.query('select 1');
      return status.engine;
    });
  }
}
