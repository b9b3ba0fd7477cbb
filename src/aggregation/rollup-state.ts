import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { WorkerPool } from '../platform/database/pools';
import { isLockTimeout } from '../platform/database/postgres-errors';
import { sql } from '../platform/database/sql';
import type { RefreshWindow } from '../platform/database/storage-engine';
import { inTransaction } from '../platform/database/transaction';

const readState = sql('aggregation/read-rollup-state');
const announceWatermark = sql('aggregation/announce-watermark');
const claimDirtyWindows = sql('aggregation/claim-dirty-windows');
const forgetDirtyWindows = sql('aggregation/forget-dirty-windows');
const holdRollupState = sql('aggregation/hold-rollup-state');
const moveRawFrom = sql('aggregation/move-raw-from');
const moveKeptFrom = sql('aggregation/move-kept-from');

/** `null` stands for "nothing yet". */
export interface RollupProgress {
  /** Announced: batches note a dirty window for every event below it. */
  readonly watermark: Date | null;
  /** Rollups below it are materialised. */
  readonly materializedThrough: Date | null;
  /** Events below it are refused and may be dropped; rollups below it stay as they are. */
  readonly rawFrom: Date | null;
  /** Rollups below these may be dropped. */
  readonly keptFrom: KeptRollups;
}

/** From when on rollups are kept, by the width of their buckets; `null` while nothing was dropped. */
export interface KeptRollups {
  readonly quarterHours: Date | null;
  readonly hours: Date | null;
  readonly days: Date | null;
}

/** An hour of an organisation that late events touched below the watermark, as it was when it was claimed. */
export interface DirtyWindow {
  readonly orgId: string;
  readonly hour: Date;
  readonly generation: string;
  /** What of the hour they touched. */
  readonly touched: RefreshWindow;
}

/** The rows that batches, refreshes and retention meet in. */
@Injectable()
export class RollupState {
  constructor(private readonly pool: WorkerPool) {}

  async read(): Promise<RollupProgress> {
    const { rows } = await this.pool.query<{
      watermark: Date | null;
      materialized_through: Date | null;
      raw_from: Date | null;
      quarter_hours_from: Date | null;
      hours_from: Date | null;
      days_from: Date | null;
    }>(readState);
    const [row] = rows;
    if (!row) throw new Error('The table rollup_state has lost its row.');
    return {
      watermark: row.watermark,
      materializedThrough: row.materialized_through,
      rawFrom: row.raw_from,
      keptFrom: { quarterHours: row.quarter_hours_from, hours: row.hours_from, days: row.days_from },
    };
  }

  /**
   * When this answers true, every batch that did not see the watermark is committed. It answers false, and announces
   * nothing, when such a batch takes so long that new batches would have to wait behind the announcement.
   */
  async announce(watermark: Date): Promise<boolean> {
    return this.unlessBatchesTakeLong(async (client) => {
      await client.query(announceWatermark.text, [watermark]);
      return true;
    });
  }

  /** All windows of the first day that has one within `[from, to)`; `null` is no limit. */
  async claimDirtyWindows(from: Date | null, to: Date | null): Promise<DirtyWindow[]> {
    const { rows } = await this.pool.query<{
      org_id: string;
      hour: Date;
      generation: string;
      touched_from: Date;
      touched_to: Date;
    }>({ ...claimDirtyWindows, values: [from, to] });
    return rows.map(({ org_id: orgId, hour, generation, touched_from: start, touched_to: end }) => ({
      orgId,
      hour,
      generation,
      touched: { start, end },
    }));
  }

  /** Keeps those that late events have touched again since they were claimed. */
  async forgetDirtyWindows(windows: readonly DirtyWindow[]): Promise<void> {
    await this.pool.query({
      ...forgetDirtyWindows,
      values: [
        windows.map(({ orgId }) => orgId),
        windows.map(({ hour }) => hour),
        windows.map(({ generation }) => generation),
        windows.map(({ touched }) => touched.start),
        windows.map(({ touched }) => touched.end),
      ],
    });
  }

  /** Gives up the events below `rawFrom`; answers false while a rollup below it is not final or a batch takes long. */
  async giveUpEventsBelow(rawFrom: Date): Promise<boolean> {
    return this.unlessBatchesTakeLong(async (client) => {
      await client.query(holdRollupState.text);
      const { rowCount } = await client.query(moveRawFrom.text, [rawFrom]);
      return rowCount === 1;
    });
  }

  /** Records from when on rollups are kept; answers false, and records nothing, while a batch takes long. */
  async giveUpRollupsBelow({ quarterHours, hours, days }: KeptRollups): Promise<boolean> {
    return this.unlessBatchesTakeLong(async (client) => {
      await client.query(moveKeptFrom.text, [quarterHours, hours, days]);
      return true;
    });
  }

  private async unlessBatchesTakeLong(work: (client: PoolClient) => Promise<boolean>): Promise<boolean> {
    try {
      return await inTransaction(this.pool, async (client) => {
        await client.query(`set local lock_timeout = '2s'`);
        return work(client);
      });
    } catch (error) {
      if (isLockTimeout(error)) return false;
      throw error;
    }
  }
}
