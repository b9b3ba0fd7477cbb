import { pause } from '../../../../src/cli/servers/server-program';
import { DAY_MS } from '../../../../src/shared/time-zone';
import type { Cell } from '../cell';
import { readStored } from '../evidence';

/** Below LATE_HORIZON of the shorter retention, with room for the run. */
const STILL_ADMITTED_MS = 2 * DAY_MS;
const SHORTER = { RAW_RETENTION: '4d', RAW_WINDOW_LIMIT: '3d', LATE_HORIZON: '3d', COMPRESS_AFTER: '3d' };
/** Events are given up in one run and dropped in a later one; a replica makes one when it starts. */
const STARTS = 4;

export const retentionAgainstRefresh: Cell = {
  name: 'retention-against-refresh',
  about:
    'Events of six days are stored; then the retention becomes four days, and they are dropped while late events keep refreshes going. No rollup may change over it.',
  recovery: 'from each start of a replica until events sent then are stored',
  // What is older than the late horizon would be too late now.
  replayable: false,
  shares: { late: 0.4 },
  async run(world) {
    const { router, replicas, database, sampler, workload } = world;
    router.flow(300);
    await pause(6_000);
    await world.drained();
    const before = await readStored(database.pool);
    // The ledger keeps counting events whose rows are gone.
    await sampler.without(async () => {
      workload.latestMs = STILL_ADMITTED_MS;
      workload.forget();
      router.flow(300);
      for (let start = 0; start < STARTS; start += 1) {
        const replica = replicas[start % 2 === 0 ? 0 : 1];
        await replica.stop();
        const startedAt = Date.now();
        await replica.start(SHORTER);
        await replica.ready();
        await world.recovered(startedAt);
        await pause(1_500);
      }
      await world.drained();
      const left = new Set((await readStored(database.pool)).map(({ eventId }) => eventId));
      world.expired = before.filter(({ eventId }) => !left.has(eventId));
      const { rows } = await database.pool.query<{ raw_from: Date | null }>(
        'select raw_from from rollup_state',
      );
      const rawFrom = rows[0]?.raw_from?.getTime() ?? -Infinity;
      if (world.expired.length === 0) world.complaints.push('Nothing passed its retention.');
      if (world.expired.some(({ occurredAt }) => occurredAt.getTime() >= rawFrom))
        world.complaints.push('Events are gone that should be kept.');
      sampler.forget();
    });
    await sampler.stop();
  },
};
