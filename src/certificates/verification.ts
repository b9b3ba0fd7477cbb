import type { Pool } from 'pg';
import { sql } from '../platform/database/sql';
import type { TimeWindow } from '../shared/time-window';
import { DAY_MS, HOUR_MS } from '../shared/time-zone';
import type { CertificateGap } from './certificate.dto';
import { readOpenGaps } from './open-gaps';
import { daysOf, type Layer, Reconciliation } from './reconciliation';

const readHorizons = sql('certificates/read-horizons');
const unreviewedConflicts = sql('certificates/unreviewed-conflicts');

/** Clocks of producers may be this far ahead, rounded up. */
const AHEAD_MS = HOUR_MS;

export interface UnreviewedConflicts {
  readonly orgId: string;
  /** Start of the hour in which they occurred. */
  readonly bucket: string;
  readonly conflicts: number;
}

/** What a verification found. */
export interface Verification {
  /** `null` where there is nothing to verify. */
  readonly window: TimeWindow | null;
  readonly layers: readonly Layer[];
  /** Rows of all layers that are not what they should be. */
  readonly differing: number;
  readonly openGaps: readonly CertificateGap[];
  readonly unreviewedConflicts: readonly UnreviewedConflicts[];
}

export interface VerificationOptions {
  readonly now: Date;
  /** `null` for all organisations. */
  readonly orgId: string | null;
  /** Snapped outward to whole hours; `null` for everything from RETENTION_HOURLY ago on. */
  readonly start: Date | null;
  readonly end: Date | null;
  /** RETENTION_HOURLY, milliseconds. */
  readonly retentionHourly: number;
  /** LATE_HORIZON, milliseconds. */
  readonly lateHorizon: number;
  /** Differences, and hours with conflicts, to list; all differences are counted. */
  readonly listed: number;
  readonly signal?: AbortSignal;
}

/** Reconciles every layer: events, rollups, ledger, quarantine, gaps. Reads only, safe to run at any time. */
export async function verify(pool: Pool, options: VerificationOptions): Promise<Verification> {
  const { now, orgId, listed, signal, retentionHourly } = options;
  const earliest = Math.ceil((now.getTime() - retentionHourly) / DAY_MS) * DAY_MS;
  const { rows } = await pool.query<{ raw_from: Date | null; oldest: Date | null }>({
    ...readHorizons,
    values: [new Date(earliest)],
  });
  const { raw_from: rawFrom, oldest } = rows[0] ?? { raw_from: null, oldest: null };
  const asked = Math.max(options.start?.getTime() ?? -Infinity, oldest?.getTime() ?? Infinity);
  const window: TimeWindow = {
    start: Math.floor(asked / HOUR_MS) * HOUR_MS,
    // The whole of the last day, so that its bucket is looked at, too.
    end: options.end
      ? Math.ceil(options.end.getTime() / HOUR_MS) * HOUR_MS
      : endOfDay(now.getTime() + AHEAD_MS),
  };
  const reconciliation = new Reconciliation(pool, { orgId, listed, signal });
  const isEmpty = !(window.start < window.end);
  if (!isEmpty) {
    await reconciliation.compare(daysOf(window), rawFrom);
    await reconciliation.compareQuarantine(window);
  }
  const layers = reconciliation.result();
  const reviewed = isEmpty ? { start: earliest, end: now.getTime() } : window;
  return {
    window: isEmpty ? null : window,
    layers,
    differing: layers.reduce((sum, layer) => sum + layer.differing, 0),
    openGaps: await readOpenGaps(pool, reviewed, options.lateHorizon),
    unreviewedConflicts: await readConflicts(pool, orgId, reviewed, listed),
  };
}

async function readConflicts(pool: Pool, orgId: string | null, { start, end }: TimeWindow, listed: number) {
  const values = [orgId, new Date(start), new Date(end), listed];
  const { rows } = await pool.query<UnreviewedConflicts>({ ...unreviewedConflicts, values });
  return rows;
}

function endOfDay(instant: number): number {
  return Math.ceil(instant / DAY_MS) * DAY_MS;
}
