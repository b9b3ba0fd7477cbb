import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { sql } from '../sql';
import { Cluster } from './cluster';
import { serverAccount } from './postgres-programs';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const RESTART_PAUSE_MS = 2_000;

const claimCluster = sql('platform/claim-embedded-cluster');

/**
 * A PostgreSQL server of our own, for machines that have none: data in DATA_DIR/postgres, kept between runs, reachable
 * from this machine only. It is started again when it dies and ends with this process, however that ends.
 */
export class EmbeddedPostgres {
  private readonly logger = new Logger(EmbeddedPostgres.name);
  private server: ChildProcess | undefined;
  private guard: ChildProcess | undefined;
  private claim: Client | undefined;
  private stopping = false;

  private constructor(
    private readonly cluster: Cluster,
    private readonly port: number,
    readonly url: string,
  ) {}

  /** Throws a sentence when another running service uses the directory, or when the server does not come up. */
  static async start(dataDir: string): Promise<EmbeddedPostgres> {
    const cluster = Cluster.open(dataDir, serverAccount());
    await evictOrphan(cluster, dataDir);
    const port = await cluster.choosePort();
    const embedded = new EmbeddedPostgres(cluster, port, cluster.url);
    process.once('exit', embedded.interrupt);
    try {
      await embedded.run();
    } catch (error) {
      await embedded.stop();
      throw error;
    }
    return embedded;
  }

  /** Disconnects whoever is left, writes everything to disk and ends the server. */
  async stop(): Promise<void> {
    this.stopping = true;
    process.removeListener('exit', this.interrupt);
    await this.claim?.end().catch(() => undefined);
    const { server } = this;
    if (server && server.exitCode === null && server.signalCode === null) {
      const exited = new Promise((settle) => server.once('exit', settle));
      server.ref();
      server.kill('SIGINT');
      await Promise.race([exited, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    }
    this.guard?.kill();
  }

  private async run(): Promise<void> {
    const { programs, directory, logFile, account } = this.cluster;
    const log = openSync(logFile, 'a');
    const server = spawn(
      programs.postgres,
      [
        '-D',
        directory,
        '-p',
        String(this.port),
        ...settings({ listen_addresses: '127.0.0.1', max_connections: 60 }),
      ],
      // A session of its own: Ctrl-C must reach the service alone, which then stops the server last.
      { cwd: directory, detached: true, env: { LC_ALL: 'C' }, stdio: ['ignore', log, log], ...account },
    );
    closeSync(log);
    server.unref();
    this.server = server;
    server.once('exit', (code, signal) => this.ended(code, signal));
    this.guard = guardOf(server, account ?? {});
    await this.ready(server);
  }

  private async ready(server: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const claim = await tryToClaim(this.url);
      if (claim === 'taken') throw new Error('Another process claimed the embedded PostgreSQL server.');
      if (claim !== 'unreachable') {
        this.claim = claim;
        return;
      }
      if (server.exitCode !== null || server.signalCode !== null || Date.now() > deadline) {
        throw new Error(
          `The embedded PostgreSQL server did not start. Its log ends with:\n${this.endOfLog()}`,
        );
      }
      await sleep(50);
    }
  }

  private ended(code: number | null, signal: NodeJS.Signals | null): void {
    this.guard?.kill();
    if (this.stopping || !this.claim) return;
    this.logger.error({ code, signal, log: this.endOfLog() }, 'The embedded PostgreSQL server died');
    void this.restart();
  }

  private async restart(): Promise<void> {
    while (!this.stopping) {
      await sleep(RESTART_PAUSE_MS, undefined, { ref: false });
      try {
        this.claim = undefined;
        if (!this.stopping) await this.run();
        return;
      } catch (err) {
        this.logger.error({ err }, 'The embedded PostgreSQL server cannot be started again');
      }
    }
  }

  private endOfLog(): string {
    return readFileSync(this.cluster.logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
  }

  private readonly interrupt = (): void => void this.server?.kill('SIGINT');
}

/** Ends a server that a killed service left behind; refuses when its service is alive. */
async function evictOrphan(cluster: Cluster, dataDir: string): Promise<void> {
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  let interrupted = false;
  for (let pid = cluster.runningServer(); pid !== null; pid = cluster.runningServer()) {
    const claim = await tryToClaim(cluster.url);
    if (claim === 'taken') {
      throw new Error(
        `Another running service keeps its database in ${dataDir}: stop it, set DATA_DIR to another directory, or ` +
          'set DATABASE_URL for both.',
      );
    }
    if (claim !== 'unreachable') await claim.end();
    if (claim !== 'unreachable' && !interrupted) {
      process.kill(pid, 'SIGINT');
      interrupted = true;
    }
    if (Date.now() > deadline) {
      throw new Error(
        `A PostgreSQL server (process ${pid}) still uses ${dataDir} and does not answer: stop it.`,
      );
    }
    await sleep(50);
  }
}

/** A connection that owns the cluster for as long as it is open; `taken` when another process has one. */
async function tryToClaim(url: string): Promise<Client | 'taken' | 'unreachable'> {
  const client = new Client({
    connectionString: url,
    application_name: 'usage-analytics owner',
    keepAlive: true,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ claimed: boolean }>(claimCluster.text);
    if (rows[0]?.claimed) return client;
    await client.end();
    return 'taken';
  } catch {
    await client.end().catch(() => undefined);
    return 'unreachable';
  }
}

/** Interrupts the server when this process is gone without having stopped it: its end closes the pipe. */
function guardOf(server: ChildProcess, account: { uid?: number; gid?: number }): ChildProcess {
  const guard = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$0"', String(server.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
    ...account,
  });
  guard.on('error', () => undefined);
  guard.unref();
  if (guard.stdin && 'unref' in guard.stdin) (guard.stdin as unknown as { unref(): void }).unref();
  return guard;
}

function settings(values: Record<string, string | number>): string[] {
  const fixed = { unix_socket_directories: '', log_checkpoints: 'off', max_wal_size: '2GB', timezone: 'UTC' };
  return Object.entries({ ...fixed, ...values }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
