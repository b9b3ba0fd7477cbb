import type { Freshness } from '../../shared/messages/get-freshness.query';
import type { ExportFilters, ExportFormat, ExportGranularity, FocusVersion } from '../file-specification';
import type { ControlTotals } from './control-totals';

/** Grows when the meaning of a field changes; added fields do not count. */
export const MANIFEST_SCHEMA_VERSION = 1;

/** The proof beside an artifact: what it holds, how to check that it is whole, and what it was made from. */
export interface Manifest {
  readonly schemaVersion: typeof MANIFEST_SCHEMA_VERSION;
  readonly jobId: string;
  readonly orgId: string;
  readonly file: {
    readonly name: string;
    readonly contentType: string;
    readonly format: ExportFormat;
    readonly focusVersion: FocusVersion | null;
    readonly columns: readonly string[];
    /** Without the header. */
    readonly rows: number;
    readonly bytes: number;
    /** Of the bytes as they are stored, in hexadecimal. */
    readonly sha256: string;
  };
  /** Half-open, UTC. */
  readonly window: { readonly start: string; readonly end: string };
  readonly timezone: string;
  readonly granularity: ExportGranularity;
  readonly filters: ExportFilters;
  /** ISO 4217, of every cost. */
  readonly currency: string;
  /** Sums over all rows, computed by the database and again from the file's own cells. */
  readonly controlTotals: ControlTotals;
  /** As it was just before the snapshot. */
  readonly freshness: Freshness;
  /** What the file says of the window will not change by itself. */
  readonly final: boolean;
  /** Rollups were materialised up to here; what is younger was summed from events. */
  readonly rollupWatermark: string | null;
  /** All rows and totals are from one snapshot of this moment. */
  readonly snapshotAt: string;
  readonly attempt: number;
  readonly service: { readonly name: string; readonly version: string };
}

export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}
