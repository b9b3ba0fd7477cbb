import { existsSync } from 'node:fs';
import { Client } from 'pg';
import type { Config } from '../platform/config/config';
import { DatabaseServer } from '../platform/database/database-server';
import { Cluster } from '../platform/database/embedded/cluster';
import { serverAccount } from '../platform/database/embedded/postgres-programs';

/** An embedded server that another process runs is used as it is; one that nobody runs is started meanwhile. */
export async function openDatabase(config: Config): Promise<{ url: string; stop(): Promise<void> }> {
  if (config.databaseUrl === null && existsSync(config.dataDir)) {
    const { url } = Cluster.open(config.dataDir, serverAccount());
    if (await isReachable(url)) return { url, stop: () => Promise.resolve() };
  }
  return DatabaseServer.of(config);
}

async function isReachable(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}
