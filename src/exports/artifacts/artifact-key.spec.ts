import fc from 'fast-check';
import { artifactKey, attemptFolder, jobFolder, parseArtifactKey } from './artifact-key';

const ORG = 'a0000000-0000-4000-8000-00000000000a';
const JOB = 'b0000000-0000-4000-8000-00000000000b';
const place = { orgId: ORG, jobId: JOB, attempt: 2 };

describe('the place of an artifact', () => {
  it('is in the folder of its attempt, job and organisation', () => {
    const key = artifactKey(place, 'usage-daily_2026-10-01_2026-11-01.csv.gz');
    expect(key).toBe(`exports/${ORG}/${JOB}/2/usage-daily_2026-10-01_2026-11-01.csv.gz`);
    expect(key.startsWith(attemptFolder(place))).toBe(true);
    expect(key.startsWith(jobFolder(place))).toBe(true);
    expect(parseArtifactKey(key)).toBe(key);
  });

  it.each([
    '',
    '.',
    '..',
    '../x.csv',
    '/etc/passwd',
    'a/b.csv',
    'a\\b.csv',
    'a.csv/',
    '.csv',
    'x',
    'a..csv',
    'a%2f.csv',
    'a\0.csv',
  ])('cannot have the name %j', (name) => {
    expect(() => artifactKey(place, name)).toThrow(RangeError);
  });

  it.each([
    { ...place, orgId: '..' },
    { ...place, orgId: `${ORG}/..` },
    { ...place, orgId: ORG.toUpperCase() },
    { ...place, jobId: '' },
    { ...place, jobId: 'other-bucket' },
    { ...place, attempt: 0 },
    { ...place, attempt: 1.5 },
    { ...place, attempt: Number.NaN },
  ])('cannot be %j', (wrong) => {
    expect(() => artifactKey(wrong, 'usage.csv')).toThrow(RangeError);
  });

  it('can never leave its organisation, whatever is parsed', () => {
    const part = fc.oneof(
      fc.constantFrom('exports', ORG, JOB, '1', 'usage.csv', '..', '', '.', '/'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        let key: string;
        try {
          key = parseArtifactKey(parts.join('/'));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        expect(key).toMatch(/^exports\/[0-9a-f-]{36}\/[0-9a-f-]{36}\/[1-9]\d*\/[\w-]+(\.[a-z0-9]+){1,2}$/);
        expect(key).not.toContain('..');
      }),
      { numRuns: 2_000 },
    );
  });
});
