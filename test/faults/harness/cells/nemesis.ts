import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import { MOMENTS } from '../kill-points';
import type { World } from '../world';

const SECONDS = 20;

/** One fault on something chosen at random; resolves when it is over. */
async function fault(world: World): Promise<void> {
  const { random, replicas } = world;
  const pick = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(random() * values.length)] as Value;
  const replica = pick(replicas);
  const proxy = pick([replica.database, ...replica.edges('broker'), replica.redis, world.routerEdge]);
  const forMs = 200 + random() * 4_000;
  switch (pick(['cut', 'black-hole', 'swallow', 'slow', 'kill', 'kill-point', 'freeze', 'terminate'])) {
    case 'cut':
      await proxy.cut();
      break;
    case 'black-hole':
      proxy.blackHole();
      break;
    case 'swallow':
      proxy.swallowReplies();
      break;
    case 'slow':
      proxy.delay(100);
      proxy.throttle(100_000);
      break;
    case 'kill':
      await replica.kill();
      break;
    case 'kill-point':
      void replica.killPoints.at(pick(MOMENTS), () => replica.kill());
      break;
    case 'freeze':
      if (!replica.isUp) return;
      replica.freeze();
      await pause(forMs);
      if (replica.isUp) replica.thaw();
      return;
    default:
      await world.count(
        `select count(pg_terminate_backend(pid))::integer as count from pg_stat_activity
         where datname = current_database() and application_name like 'usage-analytics%'`,
      );
  }
  await pause(forMs);
  await proxy.heal();
  if (!replica.isUp) await replica.start();
}

export const nemesis: Cell = {
  name: 'nemesis',
  about: `For ${SECONDS} s, every second or so, one of eight faults on one of the replicas or edges, for up to 4 s: several at once.`,
  recovery: 'from when everything is healed and running until events sent then are stored',
  async run(world) {
    world.router.flow(800);
    const until = Date.now() + SECONDS * 1_000;
    const faults: Promise<void>[] = [];
    while (Date.now() < until) {
      faults.push(fault(world));
      await pause(300 + world.random() * 1_200);
    }
    await Promise.all(faults);
    for (const { killPoints } of world.replicas) killPoints.forget();
    const proxies = [
      ...world.edges('database'),
      ...world.edges('broker'),
      ...world.edges('redis'),
      world.routerEdge,
    ];
    for (const proxy of proxies) await proxy.heal();
    for (const replica of world.replicas) if (!replica.isUp) await replica.start();
    await Promise.all(world.replicas.map((replica) => replica.ready()));
    await world.recovered();
  },
};
