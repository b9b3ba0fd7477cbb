import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import type { World } from '../world';

const run = promisify(execFile);
/** Room on the small disk beyond what is there already. */
const ROOM_BYTES = 64 * 1024 * 1024;
/** Less than one segment of PostgreSQL's log, so that it must soon want more than there is. */
const LEFT_BYTES = 2 * 1024 * 1024;
const FULL_SECONDS = 8;

/** Moves PostgreSQL's data to a file system of that little room; answers how to move them back. */
async function ontoSmallDisk(world: World): Promise<{ data: string; back: () => Promise<void> }> {
  const { postgres } = world.servers;
  await world.database.pool.query('checkpoint');
  const { rows } = await world.database.pool.query<{ data_directory: string }>('show data_directory');
  const data = rows[0]?.data_directory ?? '';
  const aside = `${data}.aside`;
  await postgres.kill();
  const { uid, gid } = statSync(data);
  renameSync(data, aside);
  mkdirSync(data);
  const { stdout } = await run('du', ['--summarize', '--block-size=1', aside]);
  const size = Number.parseInt(stdout, 10) + ROOM_BYTES;
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size},uid=${uid},gid=${gid},mode=0700`, 'tmpfs', data]);
  await run('cp', ['--archive', `${aside}/.`, data]);
  await postgres.restart();
  const back = async (): Promise<void> => {
    await postgres.kill();
    rmSync(aside, { recursive: true });
    await run('cp', ['--archive', data, aside]);
    await run('umount', [data]);
    rmSync(data, { recursive: true });
    renameSync(aside, data);
    await postgres.restart();
  };
  return { data, back };
}

export const fullDisk: Cell = {
  name: 'full-disk-postgres',
  about: `PostgreSQL's data lie on a small file system (tmpfs), which is full for ${FULL_SECONDS} s under a burst; what is in the way is removed and PostgreSQL, which may have ended over it, is started again.`,
  recovery: 'from when PostgreSQL serves again until events sent then are stored',
  needsServers: true,
  async run(world) {
    if (process.getuid?.() !== 0) throw new Error('A small file system can only be mounted as root.');
    const { data, back } = await ontoSmallDisk(world);
    try {
      world.router.flow(400);
      await world.recovered();
      const ballast = join(data, 'ballast');
      const { bavail, bsize } = statfsSync(data);
      writeFileSync(ballast, '');
      await run('fallocate', ['--length', String(bavail * bsize - LEFT_BYTES), ballast]);
      world.router.burst(12_000);
      await pause((FULL_SECONDS - 2) * 1_000);
      const stored = () => world.count('select count(*)::integer as count from usage_events');
      const before = await stored();
      await pause(2_000);
      const after = await stored();
      // Away altogether, or there and refusing.
      if (before !== undefined && after !== undefined && after > before)
        world.complaints.push(`The disk was not full: ${after - before} events were stored meanwhile.`);
      rmSync(ballast);
      await world.servers.postgres.restart();
      await world.recovered();
    } finally {
      await back();
    }
    await world.recovered();
  },
};
