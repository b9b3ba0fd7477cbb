import { Injectable } from '@nestjs/common';
import { Config } from '../config/config';
import { OwnerPool, WorkerPool } from './pools';
import { PostgresEngine } from './postgres-engine';
import {
  type RefreshWindow,
  type RetentionHorizons,
  type RollupWidths,
  StorageEngine,
  type StorageEngineKind,
} from './storage-engine';
import { TimescaleEngine } from './timescale-engine';

/**
 * The engine whose schema the database has. Which one that is turns out once the database can be reached and is
 * migrated; asked before, it throws. `DatabaseSchema.ready` says when.
 */
@Injectable()
export class SelectedStorageEngine extends StorageEngine {
  private selected: StorageEngine | undefined;

  constructor(
    private readonly pool: WorkerPool,
    private readonly ownerPool: OwnerPool,
    private readonly config: Config,
  ) {
    super();
  }

  get kind(): StorageEngineKind {
    return this.engine.kind;
  }

  get watermarkStep(): number {
    return this.engine.watermarkStep;
  }

  select(kind: StorageEngineKind): void {
    this.selected =
      kind === 'timescale'
        ? new TimescaleEngine(this.pool, this.ownerPool)
        : new PostgresEngine(this.pool, this.config.rawRetention);
  }

  prepare(now: Date): Promise<void> {
    return this.engine.prepare(now);
  }

  oldestEvent(): Promise<Date | null> {
    return this.engine.oldestEvent();
  }

  noticeChangesBelow(watermark: Date): Promise<void> {
    return this.engine.noticeChangesBelow(watermark);
  }

  advance(window: RefreshWindow): Promise<void> {
    return this.engine.advance(window);
  }

  refresh(windows: readonly RefreshWindow[], widths?: RollupWidths): Promise<void> {
    return this.engine.refresh(windows, widths);
  }

  rebuild(window: RefreshWindow, orgId: string | null, signal?: AbortSignal): Promise<void> {
    return this.engine.rebuild(window, orgId, signal);
  }

  expire(horizons: RetentionHorizons): Promise<void> {
    return this.engine.expire(horizons);
  }

  private get engine(): StorageEngine {
    if (!this.selected) throw new Error('The storage engine is not known before the schema is ready.');
    return this.selected;
  }
}
