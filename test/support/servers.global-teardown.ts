import { running } from './test-servers';

/** Ends the servers this run started. */
export default async function stopTestServers(): Promise<void> {
  await running.dropTemplates?.();
  await running.servers?.stop();
  running.dropTemplates = undefined;
  running.servers = undefined;
}
