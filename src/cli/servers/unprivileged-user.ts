import { cpSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface SystemUser {
  name: string;
  uid: number;
  gid: number;
}

/**
 * Whom to run a server as that refuses root: `postgres` where that account exists, else `nobody`.
 * Undefined when this process is not root and the server can simply run as ourselves.
 */
export function unprivilegedUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid && gid) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL refuses to run as root and there is no account "postgres" or "nobody" to use.');
}

/**
 * The directory itself when every account may enter it, else a copy under `refuge`: a checkout in root's
 * home cannot be read by the account the server runs as.
 */
export function reachableByAll(directory: string, refuge: string): string {
  for (let level = directory; level !== dirname(level); level = dirname(level)) {
    if ((statSync(level).mode & 0o005) !== 0o005) {
      const copy = join(refuge, 'programs');
      cpSync(directory, copy, { recursive: true, verbatimSymlinks: true });
      return copy;
    }
  }
  return directory;
}
