import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { isAlive } from '../../src/cli/servers/process-tree';
import { within } from '../../src/cli/servers/server-program';

const STARTER = `
const { startServers } = require('./src/cli/servers/start-servers.ts');
startServers({ postgres: true, redis: true, private: true, log: () => undefined }).then((servers) => {
  console.log(JSON.stringify(servers.pids));
  setInterval(() => undefined, 1000);
});
`;

describe('a process that started servers', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('leaves none behind when it ends by %s', async (signal) => {
    const starter = spawn(
      process.execPath,
      ['--require', join(__dirname, '../support/typescript.cjs'), '--eval', STARTER],
      { cwd: join(__dirname, '../..'), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(starter.stdout, 'data')) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    expect(pids.filter(isAlive)).toHaveLength(2);

    starter.kill(signal);
    expect(await within(10_000, () => !pids.some(isAlive))).toBe(true);
  });
});
