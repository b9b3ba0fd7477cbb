import type { Pool, PoolClient } from 'pg';
import { sql } from '../platform/database/sql';
import type { KeptFrom } from './file-specification';

const readKeptFrom = sql('exports/read-kept-from');

/** What retention has dropped, or may drop in a later run: from when on each relation is kept. */
export async function keptFrom(database: Pool | PoolClient): Promise<KeptFrom> {
  const { rows } = await database.query<KeptFrom>(readKeptFrom);
  const [row] = rows;
  if (!row) throw new Error('The table rollup_state has lost its row.');
  return row;
}
