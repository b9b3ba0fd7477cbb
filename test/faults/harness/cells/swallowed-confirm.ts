import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

/** The ambiguous publish: the router has to send again what the broker already has. */
export const swallowedConfirm: Cell = {
  name: 'swallowed-confirm',
  about:
    'The broker takes messages of the router and its confirms never arrive, until the router gives up and sends all of them again. Twice.',
  recovery: 'from the healing until events sent then are stored',
  async run(world) {
    const { router, routerEdge, random } = world;
    router.flow(600);
    for (let time = 0; time < 2; time += 1) {
      await pause(500 + random() * 500);
      routerEdge.swallowReplies();
      await pause(2_000 + random() * 4_000);
      await routerEdge.heal();
      await world.recovered();
    }
  },
};
