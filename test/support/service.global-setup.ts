import { spawnSync } from 'node:child_process';
import startTestServers from './servers.global-setup';

/** Besides the servers, the service itself as it is deployed: built, for tests that run it as a process. */
export default async function prepareService(): Promise<void> {
  const { status } = spawnSync(process.execPath, ['cli.mjs', '--prepare'], { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(1);
  await startTestServers();
}
