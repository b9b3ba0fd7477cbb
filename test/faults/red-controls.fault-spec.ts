import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Build } from './harness/build';
import { ORACLES } from './harness/oracles/all';
import { BUGS } from './harness/red/all';

const ROOT = join(__dirname, '..', '..');
const SHIPPED = ['dist', 'sql', 'migrations'];

/** Every file that is shipped, with a hash of its text. */
function filesOf(root: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const part of SHIPPED) {
    for (const entry of readdirSync(join(root, part), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files.set(path.slice(root.length), createHash('sha256').update(readFileSync(path)).digest('hex')); // prettier-ignore
    }
  }
  return files;
}

describe('the bugs that the oracles must find', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'red-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('are at least one for each oracle', () => {
    const found = new Set(BUGS.map(({ oracle }) => oracle));
    expect([...found].sort()).toEqual(ORACLES.map(({ name }) => name).sort());
  });

  it('are planted in a copy, and are nowhere in what is built and shipped', () => {
    const shipped = filesOf(ROOT);
    for (const [place, bug] of BUGS.entries()) {
      const copy = join(directory, String(place));
      bug.plant(Build.copyTo(copy));
      const planted = [...filesOf(copy)].filter(([file, hash]) => shipped.get(file) !== hash);
      expect([bug.name, planted.length]).toEqual([bug.name, 1]);
    }
    expect(filesOf(ROOT)).toEqual(shipped);
    const texts = [...shipped.keys()]
      .filter((file) => /\.(js|sql)$/.test(file))
      .map((file) => readFileSync(join(ROOT, file), 'utf8'));
    const switches = texts.filter((text) => /faults\/harness|PLANT|RED_CONTROL|\.prototype\.(takeCursor|copyEvents|add) =/.test(text)); // prettier-ignore
    expect(switches).toEqual([]);
  });

  // A process of its own: it leaves hundreds of broken connections, and ends without tidying up after them.
  it('turn every oracle red when all of them are planted', async () => {
    const program = ['--require', './test/support/typescript.cjs', 'test/faults/harness/red/at-once.ts'];
    const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: ROOT });
    const violations = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
    const green = ORACLES.filter(({ name }) => (violations[name] ?? 0) === 0).map(({ name }) => name);
    expect(green).toEqual([]);
  });
});
