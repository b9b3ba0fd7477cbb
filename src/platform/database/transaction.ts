import type { Pool, PoolClient } from 'pg';
import { isConnectionError, isConsequence } from './postgres-errors';

/** Takes statements whose answers are waited for with the commit. */
export interface Unanswered {
  push(...answers: Promise<unknown>[]): void;
}

/**
 * Runs `work` in one transaction of its own connection and commits it; anything thrown rolls all of it back and is
 * thrown on unchanged. A connection that broke, or that could not be rolled back, does not return to the pool.
 *
 * `work` may put statements whose answers it does not need into `unanswered`: on a pool that pipelines, COMMIT goes out
 * right behind them. It commits nothing when one of them fails, and that failure is thrown, also instead of what `work`
 * throws because of it. BEGIN is always waited for: what went out behind one that fails would be committed statement by
 * statement.
 *
 * When the connection breaks during COMMIT (`isConnectionError`) the outcome is unknown: `work` must be able to tell
 * on its next run that it has already been done.
 */
export async function inTransaction<Result>(
  pool: Pool,
  work: (client: PoolClient, unanswered: Unanswered) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  const answers: Promise<unknown>[] = [];
  const unanswered: Unanswered = {
    push(...added) {
      // `work` may wait for something else when one of them fails, and a failure that nobody hears ends the process.
      for (const answer of added) answer.catch(() => undefined);
      answers.push(...added);
    },
  };
  let reusable = false;
  try {
    await client.query('begin');
    const result = await work(client, unanswered);
    await Promise.all([...answers, commit(client)]);
    reusable = true;
    return result;
  } catch (thrown) {
    const error = await firstFailure(answers, thrown);
    reusable = !isConnectionError(error) && (await rolledBack(client));
    throw error;
  } finally {
    client.release(!reusable);
  }
}

/** Lends one connection to `work`, outside any transaction; a connection that failed is not used again. */
export async function withConnection<Result>(
  pool: Pool,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let reusable = false;
  try {
    const result = await work(client);
    reusable = true;
    return result;
  } finally {
    client.release(!reusable);
  }
}

/** What the others failed of: behind a statement that fails, each further one is refused for that alone. */
async function firstFailure(answers: readonly Promise<unknown>[], thrown: unknown): Promise<unknown> {
  const settled = await Promise.allSettled(answers);
  const failures = settled.flatMap((answer): unknown[] =>
    answer.status === 'rejected' ? [answer.reason] : [],
  );
  return [...failures, thrown].find((failure) => !isConsequence(failure)) ?? thrown;
}

async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('commit');
  // PostgreSQL answers COMMIT of a failed transaction with a quiet ROLLBACK.
  if (command !== 'COMMIT')
    throw new Error('A failed statement was ignored, so the transaction was rolled back.');
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('rollback');
    return true;
  } catch {
    return false;
  }
}
