import { Module } from '@nestjs/common';
import { ExpireDataHandler } from './commands/expire-data.command';
import { RefreshRollupsHandler } from './commands/refresh-rollups.command';
import { RetentionScheduler } from './retention.scheduler';
import { RollupRefreshScheduler } from './rollup-refresh.scheduler';
import { RollupState } from './rollup-state';

/** Keeps rollups materialised and data within its retention. */
@Module({
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
