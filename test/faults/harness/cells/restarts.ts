import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import type { Replica } from '../replica';
import type { World } from '../world';

const RESTARTS = 20;
/** SHUTDOWN_GRACE by default. */
const GRACE_SECONDS = 25;

async function stop(replica: Replica, world: World): Promise<void> {
  const { code, seconds } = await replica.stop();
  if (code !== 0) world.complaints.push(`${replica.name} ended with ${code} on SIGTERM.`);
  if (seconds > GRACE_SECONDS) world.complaints.push(`${replica.name} took ${seconds} s to end on SIGTERM.`);
}

export const rollingRestart: Cell = {
  name: 'rolling-restart',
  about: `The replicas are restarted in turn by SIGTERM, ${RESTARTS} times, each when the other is ready; every one must exit with 0.`,
  recovery: 'from each SIGTERM until events sent then are stored',
  async run(world) {
    world.router.flow(800);
    for (let restart = 0; restart < RESTARTS; restart += 1) {
      const replica = world.replicas[restart % 2] as Replica;
      const stoppedAt = Date.now();
      await Promise.all([stop(replica, world), world.recovered(stoppedAt)]);
      await replica.start();
      await replica.ready();
    }
  },
};

export const drainedAtBurst: Cell = {
  name: 'sigterm-at-burst',
  about: `SIGTERM of both replicas in the middle of a burst of 15,000 messages; both must exit with 0 within ${GRACE_SECONDS} s.`,
  recovery: 'from the start of new replicas until events sent then are stored, their boot included',
  async run(world) {
    const { router, replicas, random } = world;
    router.burst(15_000);
    await pause(500 + random() * 1_500);
    await Promise.all(replicas.map((replica) => stop(replica, world)));
    const startedAt = Date.now();
    await Promise.all(replicas.map((replica) => replica.start()));
    await world.recovered(startedAt);
    await Promise.all(replicas.map((replica) => replica.ready()));
  },
};
