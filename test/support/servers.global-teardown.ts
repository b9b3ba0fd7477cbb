import { running } from './test-servers';

/** Ends the servers this run started. The lines tell what a run waits for that does not end. */
export default async function stopTestServers(): Promise<void> {
  const { servers, dropTemplates } = running;
  if (!servers) return;
  running.dropTemplates = undefined;
  running.servers = undefined;
  const started = Date.now();
  try {
    await dropTemplates?.();
  } finally {
    await servers.stop();
    process.stderr.write(`the test servers are gone after ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  }
}
