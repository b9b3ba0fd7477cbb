import type { Pool, PoolClient } from 'pg';
import { sql } from '../platform/database/sql';
import { inTransaction } from '../platform/database/transaction';

const takeSnapshot = sql('aggregation/take-snapshot');
const tuneReading = sql('aggregation/tune-reading');

/**
 * Runs the statements of one answer: all of them see the same committed data, and are planned as statements over
 * rollups need to be.
 */
export function inReadingTransaction<Result>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  return inTransaction(pool, async (client) => {
    await client.query(takeSnapshot.text);
    await client.query(tuneReading.text);
    return work(client);
  });
}
