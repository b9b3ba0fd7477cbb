import type { EventOutcome } from '../shared/messages/ingest-usage.command';

const HOUR_MS = 3_600_000;

/** Counts of one organisation and hour of occurrence. */
interface LedgerRow {
  readonly orgId: string;
  /** Start of the hour, milliseconds since the epoch. */
  readonly hour: number;
  readonly counts: Record<EventOutcome, number>;
  /** When those of its stored events occurred that lie below the watermark: rollups there must be refreshed. */
  late: { earliest: number; latest: number } | null;
}

/** Sums up a batch: in all, and by organisation and hour of occurrence. */
export class BatchLedger {
  readonly totals: Record<EventOutcome, number> = { stored: 0, duplicate: 0, conflict: 0, quarantined: 0 };
  /** Stored events below the watermark. */
  late = 0;
  private readonly rows: LedgerRow[] = [];
  private readonly rowsByOrg = new Map<string, Map<number, LedgerRow>>();

  /** `watermark` in milliseconds since the epoch, -Infinity before the first refresh. */
  constructor(private readonly watermark: number) {}

  /** Counts one event. What names no organisation or no instant counts in the totals only. */
  add(outcome: EventOutcome, orgId: string | null, occurredAt: number | null): void {
    this.totals[outcome] += 1;
    if (orgId === null || occurredAt === null) return;
    const row = this.rowOf(orgId, occurredAt);
    row.counts[outcome] += 1;
    if (outcome !== 'stored') return;
    if (occurredAt < this.watermark) {
      this.late += 1;
      const { earliest, latest } = row.late ?? { earliest: occurredAt, latest: occurredAt };
      row.late = { earliest: Math.min(earliest, occurredAt), latest: Math.max(latest, occurredAt) };
    }
  }

  /** Parameters of `sql/ingestion/add-to-ledger.sql`. */
  ledgerColumns(): unknown[] {
    const { rows } = this;
    return [
      rows.map(({ orgId }) => orgId),
      rows.map(({ hour }) => new Date(hour)),
      rows.map(({ counts }) => counts.stored),
      rows.map(({ counts }) => counts.duplicate),
      rows.map(({ counts }) => counts.conflict),
      rows.map(({ counts }) => counts.quarantined),
    ];
  }

  /** Parameters of `sql/ingestion/note-dirty-windows.sql`, or `null` when nothing is dirty. */
  dirtyColumns(): unknown[] | null {
    const rows = this.rows.flatMap(({ orgId, hour, late }) => (late ? [{ orgId, hour, ...late }] : []));
    if (rows.length === 0) return null;
    return [
      rows.map(({ orgId }) => orgId),
      rows.map(({ hour }) => new Date(hour)),
      rows.map(({ earliest }) => new Date(earliest)),
      rows.map(({ latest }) => new Date(latest)),
    ];
  }

  get isEmpty(): boolean {
    return this.rows.length === 0;
  }

  orgIds(): string[] {
    return [...this.rowsByOrg.keys()];
  }

  private rowOf(orgId: string, occurredAt: number): LedgerRow {
    const hour = Math.floor(occurredAt / HOUR_MS) * HOUR_MS;
    let hours = this.rowsByOrg.get(orgId);
    if (!hours) this.rowsByOrg.set(orgId, (hours = new Map<number, LedgerRow>()));
    let row = hours.get(hour);
    if (!row) {
      row = { orgId, hour, counts: { stored: 0, duplicate: 0, conflict: 0, quarantined: 0 }, late: null };
      hours.set(hour, row);
      this.rows.push(row);
    }
    return row;
  }
}
