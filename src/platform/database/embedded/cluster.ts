import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import {
  isOpenToAll,
  type PostgresPrograms,
  postgresPrograms,
  type ServerAccount,
} from './postgres-programs';

/** Where data goes that PostgreSQL, as an account that is not root, cannot reach under DATA_DIR. */
const REFUGE = '/var/lib/usage-analytics';
const CONNECTION_FILE = 'usage-analytics.json';

/**
 * Linux hands out ports from 32768 upward to outgoing connections; below, a port stays free for a server that comes
 * back to it.
 */
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_000;

interface Connection {
  port: number;
  password: string;
}

/** The data of one embedded server: DATA_DIR/postgres/data, and its log beside it. */
export class Cluster {
  private constructor(
    readonly directory: string,
    readonly logFile: string,
    readonly programs: PostgresPrograms,
    readonly account: ServerAccount | null,
  ) {}

  /** Opens the cluster of this data directory and makes it first where there is none. */
  static open(dataDir: string, account: ServerAccount | null): Cluster {
    const home = homeOf(dataDir, account);
    const programs = postgresPrograms(home, account);
    const directory = join(home, 'data');
    const cluster = new Cluster(directory, join(home, 'postgres.log'), programs, account);
    if (!existsSync(directory)) cluster.initialise(home);
    return cluster;
  }

  get url(): string {
    const { port, password } = this.connection();
    return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  }

  /** The port of the last run where it is free, else a new one, remembered. */
  async choosePort(): Promise<number> {
    const connection = this.connection();
    while (!(await canListen(connection.port))) {
      connection.port = randomPort();
      this.remember(this.directory, connection);
    }
    return connection.port;
  }

  /** The process that serves this cluster now, or `null`; what a crash left of an earlier one is cleared away. */
  runningServer(): number | null {
    const pidFile = join(this.directory, 'postmaster.pid');
    if (!existsSync(pidFile)) return null;
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
    if (!isAlive(pid)) return null;
    if (isPostmasterOf(pid, this.directory)) return pid;
    // Another program has the number by now; PostgreSQL itself would take it for its predecessor.
    rmSync(pidFile, { force: true });
    return null;
  }

  private initialise(home: string): void {
    // Made beside its place and then renamed: a cluster is either whole or not there.
    const draft = join(home, `data.${randomBytes(4).toString('hex')}`);
    const password = randomBytes(18).toString('base64url');
    const passwordFile = `${draft}.password`;
    mkdirSync(draft, { mode: 0o700 });
    writeFileSync(passwordFile, password, { mode: 0o600 });
    this.own(draft);
    this.own(passwordFile);
    try {
      execFileSync(
        this.programs.initdb,
        [
          '-D',
          draft,
          '-U',
          'postgres',
          '-A',
          'scram-sha-256',
          '--pwfile',
          passwordFile,
          '-E',
          'UTF8',
          '--locale=C',
        ],
        { cwd: home, env: { LC_ALL: 'C' }, stdio: ['ignore', 'ignore', 'pipe'], ...this.account },
      );
      this.remember(draft, { port: randomPort(), password });
      if (!existsSync(this.directory)) renameSync(draft, this.directory);
    } finally {
      rmSync(passwordFile, { force: true });
      rmSync(draft, { recursive: true, force: true });
    }
  }

  private connection(): Connection {
    return JSON.parse(readFileSync(join(this.directory, CONNECTION_FILE), 'utf8')) as Connection;
  }

  private remember(directory: string, connection: Connection): void {
    const file = join(directory, CONNECTION_FILE);
    writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    this.own(file);
  }

  private own(path: string): void {
    if (this.account) chownSync(path, this.account.uid, this.account.gid);
  }
}

/**
 * DATA_DIR/postgres. As root that is a link into `/var/lib` when DATA_DIR lies where the server's account may not
 * enter, such as in root's home.
 */
function homeOf(dataDir: string, account: ServerAccount | null): string {
  const parent = resolve(dataDir);
  const home = join(parent, 'postgres');
  mkdirSync(parent, { recursive: true });
  if (account && !existsSync(home) && !isOpenToAll(realpathSync(parent))) {
    mkdirSync(REFUGE, { recursive: true });
    chmodSync(REFUGE, 0o755);
    rmSync(home, { force: true });
    symlinkSync(mkdtempSync(join(REFUGE, 'postgres-')), home);
  }
  mkdirSync(home, { recursive: true });
  const real = realpathSync(home);
  if (account) {
    chmodSync(real, 0o755);
    chownSync(real, account.uid, account.gid);
  }
  return real;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The main process of PostgreSQL works within its data directory. */
function isPostmasterOf(pid: number, directory: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === directory;
  } catch {
    const command = execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return command.includes('postgres') && command.includes(directory);
  }
}

function randomPort(): number {
  return LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
}

function canListen(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const probe = createServer();
    probe.once('error', () => settle(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => settle(true)));
  });
}
