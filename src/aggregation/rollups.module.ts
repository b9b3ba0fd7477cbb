import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { ScheduleModule } from '@nestjs/schedule';
import { ExpireDataHandler } from './commands/expire-data.command';
import { RefreshRollupsHandler } from './commands/refresh-rollups.command';
import { RetentionScheduler } from './retention.scheduler';
import { RollupRefreshScheduler } from './rollup-refresh.scheduler';
import { RollupState } from './rollup-state';

/** Keeps rollups materialised and data within its retention. */
@Module({
  imports: [CqrsModule, ScheduleModule.forRoot()],
  providers: [
    RollupState,
    RefreshRollupsHandler,
    ExpireDataHandler,
    RollupRefreshScheduler,
    RetentionScheduler,
  ],
  exports: [RollupState],
})
export class RollupsModule {}
