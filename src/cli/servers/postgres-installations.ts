import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { postgresPrograms, serverAccount } from '../../platform/database/embedded/postgres-programs';
import { isAtLeast } from './versions';

/** The programs of one PostgreSQL: `initdb` and `postgres` are in `binaries`. */
export interface PostgresInstallation {
  origin: 'machine' | 'npm';
  binaries: string;
  version: string;
  /** The version of the TimescaleDB extension beside it, where it has one. */
  timescaleVersion: string | undefined;
}

export const MINIMUM_POSTGRES = '15';
export const MINIMUM_TIMESCALE = '2.13.1';

/** Every PostgreSQL of this machine that is new enough; with TimescaleDB first, then newest first. */
export function postgresOnMachine(): PostgresInstallation[] {
  return candidates()
    .map((binaries) => describe(binaries, 'machine'))
    .filter((found) => found !== undefined)
    .sort(
      (a, b) =>
        Number(b.timescaleVersion !== undefined) - Number(a.timescaleVersion !== undefined) ||
        b.version.localeCompare(a.version, 'en', { numeric: true }),
    );
}

/** The PostgreSQL that came with `npm ci`, without TimescaleDB; copied to `refuge` where it could not run in its place. */
export function postgresFromNpm(refuge: string): PostgresInstallation | undefined {
  try {
    return describe(dirname(postgresPrograms(refuge, serverAccount()).postgres), 'npm');
  } catch {
    return undefined;
  }
}

function candidates(): string[] {
  const versioned = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt', '/usr'].flatMap((parent) =>
    directoryNames(parent)
      .filter((name) => /^\d+$|^postgresql@|^pgsql-/.test(name))
      .map((name) => join(parent, name, 'bin')),
  );
  const onPath = (process.env['PATH'] ?? '').split(delimiter);
  return [...new Set([...versioned, '/usr/local/pgsql/bin', ...onPath])].filter(
    (directory) => existsSync(join(directory, 'initdb')) && existsSync(join(directory, 'postgres')),
  );
}

function describe(
  binaries: string,
  origin: PostgresInstallation['origin'],
): PostgresInstallation | undefined {
  const answer = execFileSync(join(binaries, 'postgres'), ['--version'], { encoding: 'utf8' });
  const version = /\d+(\.\d+)*/.exec(answer)?.[0] ?? '0';
  if (!isAtLeast(version, MINIMUM_POSTGRES)) return undefined;
  return { origin, binaries, version, timescaleVersion: timescaleBeside(binaries) };
}

/** Read from the extension's control file; an older one than the service can use does not count. */
function timescaleBeside(binaries: string): string | undefined {
  const major = basename(dirname(binaries));
  const shared = [
    `/usr/share/postgresql/${major}`,
    join(binaries, '../share/postgresql'),
    join(binaries, '../share'),
    join(binaries, `../share/${major}`),
  ];
  for (const directory of shared) {
    const control = join(directory, 'extension/timescaledb.control');
    if (!existsSync(control)) continue;
    const version = /default_version\s*=\s*'([^']+)'/.exec(readFileSync(control, 'utf8'))?.[1] ?? '0';
    if (isAtLeast(version, MINIMUM_TIMESCALE)) return version;
  }
  return undefined;
}

function directoryNames(parent: string): string[] {
  try {
    return readdirSync(parent);
  } catch {
    return [];
  }
}
