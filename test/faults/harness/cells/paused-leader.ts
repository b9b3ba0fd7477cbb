import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import type { Moment } from '../kill-points';
import type { Replica } from '../replica';
import type { World } from '../world';

/** Freezes the replica that comes to the moment; answers it and how to let it go on. */
async function frozenAt(
  moment: Moment,
  { replicas }: World,
): Promise<{ sleeper: Replica; wake: () => void }> {
  let wake: () => void = () => undefined;
  const woken = new Promise<void>((resolve) => (wake = resolve));
  const sleeper = await Promise.race(
    replicas.map(
      (replica) =>
        new Promise<Replica>((frozen) => {
          void replica.killPoints.during(moment, async () => {
            replica.freeze();
            frozen(replica);
            await woken;
            replica.thaw();
          });
        }),
    ),
  );
  for (const { killPoints } of replicas) killPoints.forget();
  return { sleeper, wake };
}

export const pausedLeader: Cell = {
  name: 'paused-leader',
  about:
    'SIGSTOP of the replica that is about to begin a batch; the other one takes the partition over; SIGCONT, and the first one goes on with its batch of a past epoch. Twice.',
  recovery: 'from the pause until events sent then are stored by the other replica',
  async run(world) {
    world.router.flow(500);
    for (let time = 0; time < 2; time += 1) {
      await pause(500 + world.random() * 500);
      const { wake } = await frozenAt('before-begin', world);
      await world.recovered();
      await pause(world.random() * 1_000);
      wake();
      await pause(1_000);
    }
  },
};

export const pausedInCommit: Cell = {
  name: 'paused-in-commit',
  about:
    'SIGSTOP of the replica that is about to say COMMIT, and so holds the cursor’s row, for longer than PostgreSQL lets a transaction idle (30 s); then SIGCONT.',
  recovery:
    'from the pause until events sent then are stored by the other replica; PostgreSQL’s 30 s are part of it',
  async run(world) {
    world.router.flow(200);
    await pause(500 + world.random() * 500);
    const { wake } = await frozenAt('before-commit', world);
    await world.recovered();
    wake();
    await pause(1_000);
  },
};
