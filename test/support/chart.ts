import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { canInstallDebianPackages, installDebianPackages } from '../../src/cli/servers/debian-packages';
import { outputOf, unpackedDebianPackages } from './debian-tools';

export const CHART = join(__dirname, '..', '..', 'charts', 'usage-analytics');
const RENDERER = join(__dirname, 'helm-template', 'main.go');
const TOOLS = join(__dirname, '..', '..', '.data', 'tools');
const LIBRARIES = ['masterminds-sprig', 'masterminds-goutils', 'masterminds-semver', 'google-uuid', 'huandu-xstrings', 'imdario-mergo', 'mitchellh-copystructure', 'mitchellh-reflectwalk', 'shopspring-decimal', 'spf13-cast'] as const; // prettier-ignore
const PACKAGES = [
  ...LIBRARIES.map((name) => `golang-github-${name}-dev`),
  'golang-golang-x-crypto-dev',
  'golang-gopkg-yaml.v2-dev',
  'golang-k8s-sigs-yaml-dev',
];

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  // Asserted field by field.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly spec: any;
  readonly data?: Record<string, string>;
}

export type Values = Readonly<Record<string, unknown>>;

export const defaultValues = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Values;
export const valuesSchema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as object;

/** What the chart makes of these values, rendered by Go's templates; throws with the renderer's sentence. */
export async function rendered(
  values: Values,
  release = 'demo',
): Promise<{ manifests: Manifest[]; notes: string }> {
  const renderer = await builtRenderer();
  const { code, text } = await outputOf(renderer, [CHART, release], { input: JSON.stringify(values) });
  if (code !== 0) throw new Error(text);
  const files = Object.entries(JSON.parse(text) as Record<string, string>);
  const manifests = files
    .filter(([name]) => name.endsWith('.yaml'))
    .flatMap(([name, content]) =>
      parseAllDocuments(content).flatMap((document) => {
        if (document.errors.length > 0) throw new Error(`${name}: ${String(document.errors[0])}`);
        const manifest = document.toJS() as Manifest | null;
        return manifest === null ? [] : [manifest];
      }),
    );
  return { manifests, notes: files.find(([name]) => name.endsWith('NOTES.txt'))?.[1] ?? '' };
}

/** The renderer as a program, built once for its source. */
async function builtRenderer(): Promise<string> {
  const version = createHash('sha256').update(readFileSync(RENDERER)).digest('hex').slice(0, 12);
  const program = join(TOOLS, `helm-template-${version}`);
  if (existsSync(program)) return program;
  mkdirSync(TOOLS, { recursive: true });
  if ((await outputOf('go', ['version'])).code !== 0) {
    if (!canInstallDebianPackages()) throw new Error('Install Go, which renders the chart for its tests.');
    await installDebianPackages(['golang-go'], (line) => void process.stderr.write(`${line}\n`));
  }
  const libraries = await unpackedDebianPackages('go-libraries', PACKAGES);
  const env = {
    ...process.env,
    GO111MODULE: 'off',
    GOFLAGS: '',
    GOPATH: join(libraries, 'usr', 'share', 'gocode'),
    GOCACHE: join(TOOLS, 'go-build'),
  };
  const built = await outputOf('go', ['build', '-o', program, RENDERER], { env });
  if (built.code !== 0) throw new Error(built.text);
  return program;
}
