import { executeOnce } from '../../../../src/cli/servers/create-database';
import { pause } from '../../../../src/cli/servers/server-program';
import { testServers } from '../../../support/test-servers';
import type { Cell } from '../cell';
import type { World } from '../world';

/** On the maintenance database, with nobody on this one. */
async function alone(world: World, ...statements: string[]): Promise<void> {
  const { name } = world.database;
  const { databaseUrl, timescaleUrl } = testServers();
  const server = world.options.engine === 'timescale' ? (timescaleUrl ?? databaseUrl) : databaseUrl;
  await executeOnce(server, `alter database ${name} allow_connections false`);
  await executeOnce(
    server,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
  );
  for (const statement of statements) await executeOnce(server, statement);
  await executeOnce(server, `alter database ${name} allow_connections true`);
}

export const backupRestored: Cell = {
  name: 'backup-restored',
  about:
    'The database is copied; the service goes on; then the database is lost and the copy takes its place. The stream closes the gap.',
  recovery:
    'from the start of the replicas on the copy until events sent then are stored, their boot included',
  async run(world) {
    const { router, replicas, sampler } = world;
    const { name } = world.database;
    const start = () => Promise.all(replicas.map((replica) => replica.start()));
    const kill = () => Promise.all(replicas.map((replica) => replica.kill()));
    router.flow(500);
    await pause(2_000);
    await kill();
    await sampler.without(() => alone(world, `create database ${name}_backup template ${name}`));
    await start();
    await world.recovered();
    await pause(1_000 + world.random() * 2_000);
    await kill();
    await sampler.without(async () => {
      await alone(
        world,
        `drop database ${name} with (force)`,
        `alter database ${name}_backup rename to ${name}`,
      );
      sampler.forget();
    });
    const startedAt = Date.now();
    await start();
    await world.recovered(startedAt);
    await Promise.all(replicas.map((replica) => replica.ready()));
  },
};
