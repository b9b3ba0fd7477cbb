import { execFile } from 'node:child_process';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const POLICY = '/usr/sbin/policy-rc.d';

export function canInstallDebianPackages(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/**
 * Installs packages without starting the system-wide servers that they bring: Debian asks the policy
 * script before it starts any service, and 101 means "do not".
 */
export async function installDebianPackages(packages: string[], log: (line: string) => void): Promise<void> {
  log(`installing ${packages.join(', ')} from Debian's packages`);
  const before = `${POLICY}.before-tests`;
  if (existsSync(POLICY)) renameSync(POLICY, before);
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, maxBuffer: 64 * 1024 * 1024 };
  try {
    await run('apt-get', ['update', '-q'], options);
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], options);
  } finally {
    rmSync(POLICY, { force: true });
    if (existsSync(before)) renameSync(before, POLICY);
  }
}
