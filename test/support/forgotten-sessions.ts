import type { Pool, PoolClient } from 'pg';

/** Sessions that hold a lock on a table until somebody ends them, as runbooks say. */
export class ForgottenSessions {
  private readonly clients = new Map<number, PoolClient>();

  constructor(private readonly pool: Pool) {}

  /** Answers the process id of a session that now keeps everybody from `table`. */
  async lock(table: string): Promise<number> {
    const client = await this.pool.connect();
    client.on('error', () => undefined);
    await client.query('begin');
    await client.query(`lock table ${table} in access exclusive mode`);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const pid = rows[0]?.pid ?? 0;
    this.clients.set(pid, client);
    return pid;
  }

  async end(pid: number): Promise<void> {
    await this.pool.query('select pg_terminate_backend($1)', [pid]);
    this.clients.get(pid)?.release(true);
    this.clients.delete(pid);
  }

  /** Also where a walk has stopped half way. */
  letGo(): void {
    for (const client of this.clients.values()) client.release(true);
    this.clients.clear();
  }
}
