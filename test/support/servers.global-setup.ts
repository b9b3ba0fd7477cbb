import { startServers } from '../../src/cli/servers/start-servers';
import { prepareTemplates } from './test-database';
import { publish, running } from './test-servers';

/**
 * Starts the servers once for the whole run and migrates one template database per engine. The workers
 * learn the addresses from the environment.
 */
export default async function startTestServers(): Promise<void> {
  if (running.servers) return;
  const started = Date.now();
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  log('starting the test servers');
  const servers = await startServers({ postgres: true, rabbitmq: true, redis: true, log }).catch(
    (error: Error) => {
      // Jest would bury the sentence that says what to install under a stack.
      log(error.message);
      process.exit(1);
    },
  );
  running.servers = servers;
  publish(servers);
  log(`${servers.describe()} serve after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  try {
    const dropTemplates = await prepareTemplates();
    // Of a server that ends with the run they need no dropping, which would wait for every session of it.
    if (servers.postgresGiven) running.dropTemplates = dropTemplates;
  } catch (error) {
    await servers.stop();
    throw error;
  }
}
