import { spawnSync } from 'node:child_process';
import { canInstallDebianPackages, installDebianPackages } from '../../src/cli/servers/debian-packages';
import startTestServers from './servers.global-setup';

/** Besides the servers, the service itself as it is deployed: built, for tests that run it as a process. */
export default async function prepareService(): Promise<void> {
  const { status } = spawnSync(process.execPath, ['cli.mjs', '--prepare'], { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(1);
  await provideCurl();
  await startTestServers();
}

/** The commands of the documents that the tests run as they stand are written for it; a bare machine lacks it. */
async function provideCurl(): Promise<void> {
  const missing = spawnSync('curl', ['--version']).status !== 0;
  if (missing && canInstallDebianPackages()) {
    await installDebianPackages(['curl'], (line) => void process.stderr.write(`${line}\n`));
  }
}
