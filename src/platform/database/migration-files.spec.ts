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

  it('differ between the engines only by suffix, in the same order', () => {
    const steps = (['postgres', 'timescale'] as const).map((engine) =>
      migrationFiles(engine).map(({ file }) => file.replace(`.${engine}.sql`, '.sql')),
    );
    expect(steps[0]).toEqual(steps[1]);
    expect(steps[0]?.map((file) => Number(file.slice(0, 4)))).toEqual(steps[0]?.map((_, index) => index + 1));
  });

  it('are recorded under names that sort like the files', () => {
    expect(migrationName('0003_usage-events.timescale.sql')).toBe('UsageEvents1000000000003');
    expect(() => migrationName('3_usage.sql')).toThrow('is not named like');
  });
});
