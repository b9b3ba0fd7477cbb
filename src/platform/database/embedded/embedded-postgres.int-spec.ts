import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { Cluster } from './cluster';
import { EmbeddedPostgres } from './embedded-postgres';
import { serverAccount } from './postgres-programs';
import { eventually } from '../../../../test/support/eventually';

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<{ value: unknown }>(text)).rows.map(({ value }) => value);
  } finally {
    await client.end();
  }
}

beforeAll(() => Logger.overrideLogger(false));

describe('the embedded PostgreSQL server', () => {
  let dataDir: string;
  const started: EmbeddedPostgres[] = [];
  const start = async (): Promise<EmbeddedPostgres> => {
    const server = await EmbeddedPostgres.start(dataDir);
    started.push(server);
    return server;
  };

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'embedded-'));
    // As root, a directory that the server's account may not enter would send the data to /var/lib.
    chmodSync(dataDir, 0o755);
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('keeps its data, its address and its password between runs', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 7 as value');
    await first.stop();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'select value from kept')).toEqual([7]);
  });

  it('refuses a directory that another running service uses, and says what to do', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow('Another running service keeps its database in');
    expect(await query(first.url, 'select 1 as value')).toEqual([1]);
  });

  it('ends the server that a killed service left behind and starts its own', async () => {
    const first = await start();
    await query(first.url, 'create table kept as select 7 as value');
    await first.stop();
    const { directory, programs, account, url } = Cluster.open(dataDir, serverAccount());
    const orphan = spawn(
      programs.postgres,
      ['-D', directory, '-p', new URL(url).port, '-c', 'unix_socket_directories='],
      { cwd: directory, stdio: 'ignore', env: { LC_ALL: 'C' }, ...account },
    );
    await eventually(() => query(url, 'select 1 as value'));
    const second = await start();
    expect(orphan.exitCode).toBe(0);
    expect(await query(second.url, 'select value from kept')).toEqual([7]);
  });

  it('starts when the process number that a crash left behind belongs to another program now', async () => {
    const first = await start();
    await first.stop();
    const { directory, account } = Cluster.open(dataDir, serverAccount());
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore', ...account });
    writeFileSync(join(directory, 'postmaster.pid'), `${stranger.pid}\n${directory}\n`, { mode: 0o644 });
    const second = await start();
    stranger.kill();
    expect(await query(second.url, 'select 1 as value')).toEqual([1]);
  });

  it('comes back at the same address when the server is killed', async () => {
    const server = await start();
    const pid = Cluster.open(dataDir, serverAccount()).runningServer() as number;
    process.kill(pid, 'SIGKILL');
    await sleep(200);
    expect(await eventually(() => query(server.url, 'select 1 as value'))).toEqual([1]);
  });

  it('runs in UTC and asks for a password', async () => {
    const server = await start();
    expect(await query(server.url, `select current_setting('TimeZone') as value`)).toEqual(['UTC']);
    const stranger = new URL(server.url);
    stranger.password = 'guess';
    await expect(query(stranger.href, 'select 1 as value')).rejects.toMatchObject({ code: '28P01' });
  });
});
