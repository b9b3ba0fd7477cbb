import { Injectable } from '@nestjs/common';
import { ApiPool } from '../platform/database/pools';
import { sql } from '../platform/database/sql';
import { exactInteger } from '../shared/decimal';
import { AppError } from '../shared/errors';
import type { ListPosition } from '../shared/list-cursor';
import type { DataGap } from './data-gaps.dto';

const listDataGaps = sql('ingestion/list-data-gaps');
const getDataGap = sql('ingestion/get-data-gap');
const acknowledgeDataGap = sql('ingestion/acknowledge-data-gap');

interface GapRow extends Omit<
  DataGap,
  'state' | 'dataFrom' | 'dataThrough' | 'detectedAt' | 'acknowledgedAt'
> {
  readonly fromOffset: string;
  readonly toOffset: string | null;
  readonly dataFrom: Date | null;
  readonly dataThrough: Date;
  readonly detectedAt: Date;
  readonly acknowledgedAt: Date | null;
}

/** The rows of gaps that ingestion has found in its streams. */
@Injectable()
export class DataGaps {
  constructor(private readonly pool: ApiPool) {}

  /** Newest first. */
  async list(
    isOpen: boolean | null,
    partition: number | null,
    after: ListPosition | null,
    limit: number,
  ): Promise<(ListPosition & { gap: DataGap })[]> {
    const { rows } = await this.pool.query<ListPosition & GapRow>({
      ...listDataGaps,
      values: [isOpen, partition, after?.micros ?? null, after?.id ?? null, limit],
    });
    return rows.map(({ id, micros, ...row }) => ({ id, micros, gap: describe(row) }));
  }

  async get(gapId: string): Promise<DataGap> {
    const { rows } = await this.pool.query<GapRow>({ ...getDataGap, values: [gapId] });
    const [row] = rows;
    if (!row) throw new AppError('not_found', 'There is no such gap.');
    return describe(row);
  }

  /** Answers false when it is acknowledged already. */
  async acknowledge(gapId: string, by: string, reason: string): Promise<boolean> {
    const { rowCount } = await this.pool.query({ ...acknowledgeDataGap, values: [gapId, by, reason] });
    return rowCount === 1;
  }
}

function describe(row: GapRow): DataGap {
  return {
    ...row,
    state: row.acknowledgedAt === null ? 'open' : 'acknowledged',
    fromOffset: exactInteger(row.fromOffset),
    toOffset: row.toOffset === null ? null : exactInteger(row.toOffset),
    dataFrom: row.dataFrom?.toISOString() ?? null,
    dataThrough: row.dataThrough.toISOString(),
    detectedAt: row.detectedAt.toISOString(),
    acknowledgedAt: row.acknowledgedAt?.toISOString() ?? null,
  };
}
