import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface LockedPackage {
  /** Where it is installed under another name. */
  readonly name?: string;
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
}

interface Component {
  readonly purl: string;
  readonly licenses?: readonly unknown[];
}

const ROOT = join(__dirname, '..', '..');
const read = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, file), 'utf8'));

const locked = Object.entries((read('package-lock.json') as { packages: Record<string, LockedPackage> }).packages)
  .filter(([path]) => path !== '')
  .map(([path, found]) => ({ ...found, path, name: found.name ?? path.replace(/^.*node_modules\//, '') })); // prettier-ignore
const shipped = locked.filter(({ dev }) => dev !== true);
const { allowScripts } = read('package.json') as { allowScripts: Record<string, boolean> };

/** What may be shipped: licences that ask for no more than their text and their notices. */
const MAY_BE_SHIPPED = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'Python-2.0',
];
/** What may be used besides to build and to test: it does not leave the workshop. */
const MAY_BE_USED = ['CC-BY-4.0', 'CC0-1.0', 'Unlicense'];
/** Packages that do not name their licence where npm looks; each was read in its own text. All of the S3 server of tests. */
const READ_BY_HAND = {
  busboy: 'MIT',
  dicer: 'MIT',
  'humanize-number': 'MIT',
  only: 'MIT',
  streamsearch: 'MIT',
};

/** Of a choice one licence has to be allowed, of a combination all. */
function isAllowed(expression: string, allowed: readonly string[]): boolean {
  const plain = expression.replace(/^\((.*)\)$/, '$1');
  if (plain.includes(' OR ')) return plain.split(' OR ').some((each) => isAllowed(each, allowed));
  return plain.split(' AND ').every((each) => allowed.includes(each));
} // prettier-ignore

describe('what the project is made of', () => {
  it('is locked: each package with its version and its hash, and from wherever the registry is', () => {
    expect(locked.length).toBeGreaterThan(500);
    const loose = locked.filter(({ version, integrity }) => !version || !integrity?.startsWith('sha512-'));
    expect(loose.map(({ name }) => name)).toEqual([]);
    expect(locked.filter(({ resolved }) => resolved !== undefined).map(({ name }) => name)).toEqual([]);
  });

  it('has licences that are allowed, stricter for what is shipped', () => {
    const licenceOf = ({ name, license }: { name: string; license?: string }): string =>
      license ?? READ_BY_HAND[name as keyof typeof READ_BY_HAND] ?? 'none';
    const wrong = locked.filter((found) => {
      const allowed = found.dev ? [...MAY_BE_SHIPPED, ...MAY_BE_USED] : MAY_BE_SHIPPED;
      return !isAllowed(licenceOf(found), allowed);
    });
    expect(wrong.map((found) => `${found.name} ${licenceOf(found)}`)).toEqual([]);
    expect(shipped.filter(({ license }) => license === undefined)).toEqual([]);
  });

  it('runs no script when it is installed but those that are allowed by name', () => {
    const scripts = [
      ...new Set(locked.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name)),
    ];
    expect(scripts.filter((name) => allowScripts[name] === undefined)).toEqual([]);
    expect(Object.keys(allowScripts).filter((name) => !scripts.includes(name))).toEqual([]);
  });

  it('is told by npm run sbom: every package that is installed, with version and licence', async () => {
    const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, maxBuffer: 2 ** 26 }); // prettier-ignore
    const { bomFormat, components } = JSON.parse(stdout) as { bomFormat: string; components: Component[] };
    expect(bomFormat).toBe('CycloneDX');
    const told = new Map(components.map((component) => [component.purl, component]));
    const installed = locked.filter(({ path }) => isInstalled(path));
    expect(installed.length).toBeGreaterThan(500);
    const untold = installed.filter((found) => {
      const component = told.get(purlOf(found));
      return component === undefined || (found.license !== undefined && !component.licenses?.length);
    });
    expect(untold.map(({ name }) => name)).toEqual([]);
  }); // prettier-ignore
});

/** Package URL, as of the purl specification. */
const purlOf = ({ name, version }: { name: string; version: string }): string =>
  `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** Packages of other platforms are in the lock and not on the disk. */
function isInstalled(path: string): boolean {
  try {
    return readFileSync(join(ROOT, path, 'package.json')).length > 0;
  } catch {
    return false;
  }
}
