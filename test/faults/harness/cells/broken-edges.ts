import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import type { World } from '../world';

const EDGES = ['service-database', 'service-broker', 'router-broker', 'service-redis'] as const;
const SECONDS = [5, 30, 120] as const;
type Edge = (typeof EDGES)[number];

function proxiesOf(edge: Edge, world: World) {
  switch (edge) {
    case 'service-database':
      return world.edges('database');
    case 'service-broker':
      return world.edges('broker');
    case 'service-redis':
      return world.edges('redis');
    case 'router-broker':
      return [world.routerEdge];
    default:
      return edge satisfies never;
  }
}

function brokenEdge(kind: 'cut' | 'black-hole', edge: Edge, seconds: number): Cell {
  return {
    name: `${kind}-${edge}-${seconds}s`,
    about:
      kind === 'cut'
        ? `Every connection between ${edge.replace('-', ' and ')} is reset and new ones are refused for ${seconds} s.`
        : `Nothing passes between ${edge.replace('-', ' and ')} for ${seconds} s while connections stay up.`,
    recovery: 'from the healing until events sent then are stored',
    async run(world) {
      world.router.flow(500);
      await pause(1_000 + world.random() * 1_000);
      const proxies = proxiesOf(edge, world);
      for (const proxy of proxies) {
        if (kind === 'cut') await proxy.cut();
        else proxy.blackHole();
      }
      // A long outage is about time; its backlog need not grow all the while.
      await pause(Math.min(seconds, 10) * 1_000);
      if (seconds > 10) {
        world.router.flow(50);
        await pause((seconds - 10) * 1_000);
      }
      for (const proxy of proxies) await proxy.heal();
      await world.recovered();
    },
  };
}

/** Each edge cut, and each silent, for each of the times. */
export const brokenEdges: readonly Cell[] = SECONDS.flatMap((seconds) =>
  EDGES.flatMap((edge) => [brokenEdge('cut', edge, seconds), brokenEdge('black-hole', edge, seconds)]),
);
