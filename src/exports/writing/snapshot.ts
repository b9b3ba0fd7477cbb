import type { Client, Pool, PoolClient } from 'pg';
import { sql } from '../../platform/database/sql';
import { type ControlTotals, RunningTotals } from './control-totals';
import type { KeptFrom } from '../file-specification';
import { keptFrom } from '../kept-from';
import type { BoundStatement } from './file-format';

const readSnapshot = sql('exports/read-snapshot');

/**
 * Everything read is of one moment. The server gives up a reader that fell silent for ten minutes, which the pool's
 * limit would do while a slow store takes a part, and notices within five seconds when the reader is gone.
 */
const BEGIN = `
  begin isolation level repeatable read read only;
  set local idle_in_transaction_session_timeout = '10min';
  set local client_connection_check_interval = '5s';`;

export interface Snapshot {
  readonly takenAt: Date;
  /** Rollups were materialised up to here; `null` before the first time. */
  readonly rollupWatermark: Date | null;
  /** Relations below these are no longer whole. */
  readonly keptFrom: KeptFrom;
}

/** Runs `work` in one snapshot of the database. An aborted `signal` closes the connection, whatever it is busy with. */
export async function inSnapshot<Result>(
  pool: Pool,
  signal: AbortSignal,
  work: (client: PoolClient, snapshot: Snapshot) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const client = await pool.connect();
  const close = (): void => void (client as unknown as Client).end().catch(() => undefined);
  signal.addEventListener('abort', close, { once: true });
  let finished = false;
  try {
    await client.query(BEGIN);
    const { rows } = await client.query<{ taken_at: Date; rollup_watermark: Date | null }>(readSnapshot);
    const [row] = rows;
    if (!row) throw new Error('The table rollup_state has lost its row.');
    const snapshot = {
      takenAt: row.taken_at,
      rollupWatermark: row.rollup_watermark,
      keptFrom: await keptFrom(client),
    };
    const result = await work(client, snapshot);
    await client.query('commit');
    finished = true;
    return result;
  } finally {
    signal.removeEventListener('abort', close);
    // A cursor that was left in the middle would have to be read to its end.
    client.release(!finished);
  }
}

export async function readTotals(
  client: PoolClient,
  { text, values }: BoundStatement,
): Promise<ControlTotals> {
  const { rows } = await client.query<ControlTotals>(text, [...values]);
  // An aggregate has one row, but over no events TimescaleDB 2.13.1 may plan a hash aggregate per chunk and answer none.
  return rows[0] ?? new RunningTotals().totals();
}
