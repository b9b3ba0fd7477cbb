import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

const ROUNDS = 12;

export const racingReplicas: Cell = {
  name: 'racing-replicas',
  about:
    'Two partitions, and leases of 100 ms that run out whenever the way to the database takes longer: both replicas take the partitions from each other again and again.',
  recovery: 'from when the ways are fast again until events sent then are stored',
  settings: { INGEST_LEASE: '100ms', INGEST_PARTITIONS: '2' },
  async run(world) {
    world.router.flow(500);
    const [first, second] = world.replicas;
    for (let round = 0; round < ROUNDS; round += 1) {
      first.database.delay(Math.floor(world.random() * 80));
      second.database.delay(Math.floor(world.random() * 80));
      await pause(300 + world.random() * 500);
    }
    for (const proxy of world.edges('database')) await proxy.heal();
    await world.recovered();
    const epochs = await world.count('select sum(epoch)::integer as count from ingest_cursors');
    if ((epochs ?? 0) < 4) world.complaints.push(`Ownership changed only ${epochs} times: nobody raced.`);
  },
};
