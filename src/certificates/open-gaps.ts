import type { Pool } from 'pg';
import { sql } from '../platform/database/sql';
import type { TimeWindow } from '../shared/time-window';
import type { CertificateGap } from './certificate.dto';

const openDataGaps = sql('certificates/open-data-gaps');

interface GapRow extends Omit<CertificateGap, 'dataFrom' | 'dataThrough' | 'detectedAt'> {
  readonly dataFrom: Date | null;
  readonly dataThrough: Date;
  readonly detectedAt: Date;
}

/** Gaps that may have held events of the window and that nobody has acknowledged, oldest first. */
export async function readOpenGaps(
  pool: Pool,
  { start, end }: TimeWindow,
  lateHorizon: number,
): Promise<CertificateGap[]> {
  const { rows } = await pool.query<GapRow>({
    ...openDataGaps,
    values: [new Date(start), new Date(end), lateHorizon],
  });
  return rows.map((row) => ({
    ...row,
    dataFrom: row.dataFrom?.toISOString() ?? null,
    dataThrough: row.dataThrough.toISOString(),
    detectedAt: row.detectedAt.toISOString(),
  }));
}
