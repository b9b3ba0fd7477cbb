import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TOOLS = join(__dirname, '..', '..', '.data', 'tools');

/**
 * The root of a directory with the files of these Debian packages, unpacked and not installed, so that no service of
 * theirs comes along. Downloaded once per working copy. Throws where there is no `apt-get`.
 */
export async function unpackedDebianPackages(name: string, packages: readonly string[]): Promise<string> {
  const root = join(TOOLS, name);
  if (existsSync(root)) return root;
  // Another run may be at it as well: each unpacks beside, and the last one to finish finds it done.
  const work = join(TOOLS, `${name}.${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    await download(packages, work).catch(async () => {
      await run('apt-get', ['update', '-q']);
      await download(packages, work);
    });
    const unpacked = join(work, 'root');
    for (const file of readdirSync(work).filter((each) => each.endsWith('.deb'))) {
      await run('dpkg', ['-x', join(work, file), unpacked]);
    }
    if (!existsSync(root)) renameSync(unpacked, root);
    return root;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function download(packages: readonly string[], directory: string): Promise<void> {
  await run('apt-get', ['download', '-q', ...packages], { cwd: directory });
}

/** Runs a program; answers what it printed and how it ended, with `input` as its standard input. */
export function outputOf(
  program: string,
  args: readonly string[],
  { input = '', ...options }: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      [...args],
      { maxBuffer: 2 ** 26, ...options },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : 127) : 0;
        resolve({ code, text: `${stdout}${stderr}` });
      },
    );
    // It may have ended without reading; its exit code says what matters.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
