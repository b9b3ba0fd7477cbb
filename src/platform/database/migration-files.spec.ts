import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIGRATIONS_ROOT, migrationFiles, migrationName } from './migration-files';

const REFREEZE =
  'A released migration never changes: put the change into a new file. For files that are not released yet, run ' +
  '(cd migrations && sha256sum *.sql > SHA256SUMS).';

describe('the files of migrations/', () => {
  it('are frozen: each has the text that was released', () => {
    const actual = readdirSync(MIGRATIONS_ROOT)
      .filter((file) => file.endsWith('.sql'))
      .sort()
      .map((file) => {
        const sha256 = createHash('sha256').update(readFileSync(join(MIGRATIONS_ROOT, file)));
        return `${sha256.digest('hex')}  ${file}\n`;
      });
    const frozen = readFileSync(join(MIGRATIONS_ROOT, 'SHA256SUMS'), 'utf8');
    if (actual.join('') !== frozen) throw new Error(REFREEZE);
  });

  it.each(['postgres', 'timescale'] as const)('have each number once on %s, in order', (engine) => {
    const numbers = migrationFiles(engine).map(({ file }) => Number(file.slice(0, 4)));
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
    expect(numbers.length).toBeGreaterThan(5);
  });

  it('are recorded under names that sort like the files', () => {
    expect(migrationName('0003_usage-events.timescale.sql')).toBe('UsageEvents1000000000003');
    expect(() => migrationName('3_usage.sql')).toThrow('is not named like');
  });
});
