import type { Cell } from '../cell';
import { MOMENTS } from '../kill-points';
import type { World } from '../world';
import { pause } from '../../../../src/cli/servers/server-program';

/** Kills by SIGKILL whichever replica first comes to each named moment of a batch. */
export const killedAtPoints: Cell = {
  name: 'killed-at-points',
  about:
    'SIGKILL of the replica that commits: before BEGIN, in the middle of COPY, before COMMIT, and after COMMIT before it hears of it; once each, in a random order.',
  recovery: 'from the kill until events sent then are stored by whoever is left',
  async run(world: World): Promise<void> {
    const { router, replicas, random } = world;
    router.flow(250);
    const moments = [...MOMENTS].sort(() => random() - 0.5);
    for (const moment of moments) {
      await pause(200 + random() * 600);
      await Promise.race(replicas.map((replica) => replica.killPoints.at(moment, () => replica.kill())));
      const killedAt = Date.now();
      for (const { killPoints } of replicas) killPoints.forget();
      const recovered = world.recovered(killedAt);
      for (const replica of replicas) if (!replica.isUp) await replica.start();
      await recovered;
    }
    await Promise.all(replicas.map((replica) => replica.ready()));
  },
};
