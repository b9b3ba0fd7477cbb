import type { FileSpecification } from '../file-specification';
import type { RunningTotals } from './control-totals';

/** A row as the database sends it: text, or `null`. */
export type Row = readonly (string | null)[];

/** A statement with its parameters. Read through a cursor, so it has no name. */
export interface BoundStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What a file is made from. */
export interface FileContext {
  readonly orgId: string;
  readonly specification: FileSpecification;
  /** ISO 4217. */
  readonly currency: string;
  /** Who provides and bills the service, in the words of FOCUS. */
  readonly provider: string;
}

/** How a file of one format is read and written. */
export interface FileFormat {
  readonly columns: readonly string[];
  readonly rows: BoundStatement;
  /** Answers `ControlTotals` in one row, from the same relation. */
  readonly totals: BoundStatement;
  /** The cells of one row, in the order of `columns`; what they say is added to `totals`. */
  record(row: Row, totals: RunningTotals): Row;
}

/** A parameter that filters unless it is `null`. */
export function anyOf(values: readonly string[]): readonly string[] | null {
  return values.length === 0 ? null : values;
}
