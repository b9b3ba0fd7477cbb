import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

const FILE = '0900_of-the-next-release.sql';
const LOCKED_SECONDS = 4;

/** What a next release may bring, and it takes its time while it holds what every batch writes to. */
const MIGRATION = `
alter table ingest_batches add column release text not null default 'former';
create index ingest_batches_by_release on ingest_batches (release);
alter table quarantined_events add column release text;
select pg_sleep(${LOCKED_SECONDS});
`;

export const migrationUnderLoad: Cell = {
  name: 'migration-under-load',
  about: `A next release with a migration that keeps tables of every batch locked for ${LOCKED_SECONDS} s is rolled out under load: one replica after the other is restarted, the first applies it while the other one still writes.`,
  recovery: 'from each restart until events sent then are stored, the time of the lock included',
  async run(world) {
    world.router.flow(500);
    await pause(1_500);
    writeFileSync(join(world.directory, 'build', 'migrations', FILE), MIGRATION);
    for (const replica of world.replicas) {
      const { code } = await replica.stop();
      if (code !== 0) world.complaints.push(`${replica.name} ended with ${code} on SIGTERM.`);
      const startedAt = Date.now();
      await replica.start();
      await Promise.all([replica.ready(), pause(500)]);
      await world.recovered(startedAt);
    }
    const applied = await world.count(
      'select count(*)::integer as count from schema_checksums where file = $1',
      [FILE],
    );
    if (applied !== 1) world.complaints.push('The migration was not applied.');
  },
};
