import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = join(__dirname, '..', '..');
const cli = (...words: string[]) => run(process.execPath, [join(ROOT, 'cli.mjs'), ...words], { cwd: ROOT });

describe('the command line', () => {
  it('tells what every command does, and starts nothing for --help', async () => {
    const { stdout } = await cli('--help');
    const commands = [...stdout.matchAll(/^ {2}(\S+) +\S/gm)].map(([, name]) => name ?? '');
    expect(commands.length).toBeGreaterThan(10);
    for (const command of commands) {
      const { stdout: help } = await cli(command, '--help');
      expect(help).toMatch(/^Usage: /);
      expect(help).toContain('--help');
    }
  });

  it('names only commands that exist in the scripts of package.json', async () => {
    const { stdout } = await cli('--help');
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = Object.values(scripts).flatMap(
      (script) => /^node cli\.mjs ([a-z][\w-]*)/.exec(script)?.[1] ?? [],
    );
    expect(named.length).toBeGreaterThan(10);
    for (const command of named) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('refuses a command that does not exist and an option that is not known, with what there is', async () => {
    await expect(cli('nothing')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Usage:') as string,
    });
    await expect(cli('api-key', '--id', 'x')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--id must be') as string,
    });
    await expect(cli('token', '--nothing')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--nothing') as string,
    });
  });
});
