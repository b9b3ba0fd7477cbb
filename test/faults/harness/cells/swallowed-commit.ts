import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

const TIMES = 3;

/** The ambiguous commit. */
export const swallowedCommit: Cell = {
  name: 'swallowed-commit',
  about:
    'PostgreSQL commits a batch and its answer never arrives; a second later the connection breaks. Three times.',
  recovery: 'from the break until events sent then are stored',
  async run(world) {
    const { router, replicas, random } = world;
    router.flow(600);
    for (let time = 0; time < TIMES; time += 1) {
      await pause(200 + random() * 500);
      const hit = await Promise.race(
        replicas.map(async (replica) => {
          await replica.killPoints.at('after-commit', () => undefined);
          return replica;
        }),
      );
      for (const { killPoints } of replicas) killPoints.forget();
      await pause(1_000);
      hit.database.resetConnections();
      await world.recovered();
    }
  },
};
