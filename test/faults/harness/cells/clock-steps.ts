import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canInstallDebianPackages, installDebianPackages } from '../../../../src/cli/servers/debian-packages';
import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
];
/** Below the five minutes that events may be ahead. */
const STEPS = ['+240s', '-240s', '+0s', '+3600s', '+0s', '-120s'];

async function faketime(log: (line: string) => void): Promise<string> {
  const find = () => LIBRARIES.find((path) => existsSync(path));
  if (!find() && canInstallDebianPackages()) await installDebianPackages(['libfaketime'], log);
  const library = find();
  if (library) return library;
  throw new Error('libfaketime was not found: install it (Debian: apt-get install libfaketime).');
}

export const clockSteps: Cell = {
  name: 'clock-steps',
  about: `The clock of one replica steps again and again (${STEPS.join(', ')} against the other’s), by libfaketime.`,
  recovery: 'from each step until events sent then are stored',
  async run(world) {
    const library = await faketime(world.options.log);
    const file = join(world.directory, 'clock');
    const clock = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1' }; // prettier-ignore
    writeFileSync(file, '+0s');
    const [first, second] = world.replicas;
    // What the replica with the wrong clock says of lags is wrong by as much.
    world.sampler.trustClocks(false);
    await Promise.all([first.stop(), second.stop()]);
    await first.start(clock);
    await first.ready();
    await second.start();
    world.router.flow(500);
    await world.recovered();
    for (const step of STEPS) {
      writeFileSync(file, step);
      await world.recovered();
      // Long enough for the replica to find the stream quiet.
      world.router.flow(0);
      await pause(3_000);
      world.router.flow(500);
      await pause(500 + world.random() * 500);
    }
  },
};
