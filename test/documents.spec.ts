import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import openapi from '../docs/openapi.json';
import packageFile from '../package.json';
import { SETTINGS } from '../src/platform/config/settings';
import { languagesOf } from './support/documented-commands';

const ROOT = join(__dirname, '..');
const WORKFLOWS = readdirSync(join(ROOT, '.github', 'workflows')).map((file) => `.github/workflows/${file}`);
const PAGES = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => `docs/${file}`);
const TEXTS = ['README.md', 'Dockerfile', 'docker-compose.yml', '.ci/run', '.env.example', ...WORKFLOWS, ...PAGES].map(
  (file) => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }),
); // prettier-ignore

/** What a pattern finds that is not known, with the file it stands in. */
function strange(pattern: RegExp, isKnown: (found: string) => boolean, only = /./): string[] {
  return TEXTS.filter(({ file }) => only.test(file)).flatMap(({ file, text }) =>
    [...text.matchAll(pattern)].map(([, found = '']) => found).filter((found) => !isKnown(found)).map((found) => `${file}: ${found}`),
  ); // prettier-ignore
}

describe('what the documents name', () => {
  it('is an npm command that there is', () => {
    const scripts = Object.keys(packageFile.scripts);
    expect(strange(/npm run (?:--silent )?([a-z][\w:-]*)/g, (name) => scripts.includes(name))).toEqual([]);
  });

  it('is a command of cli.mjs that there is', () => {
    const commands = readdirSync(join(ROOT, 'src', 'cli')).map((file) => file.replace('.ts', ''));
    expect(strange(/node cli\.mjs ([a-z][\w-]*)/g, (name) => commands.includes(name))).toEqual([]);
  });

  it('is every npm command, in the README', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const names = Object.keys(packageFile.scripts).filter(
      (name) => !['build', 'start', 'test'].includes(name),
    );
    const unnamed = names.filter(
      (name) => !readme.includes(`npm run ${name}\``) && !readme.includes(`\`${name}\``),
    );
    expect(unnamed).toEqual([]);
  });

  it('is a file that there is, when it is a link', () => {
    const broken = TEXTS.flatMap(({ file, text }) =>
      [...text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
        .filter(([, target = '']) => !existsSync(join(ROOT, dirname(file), target)))
        .map(([, target]) => `${file}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it('is a file that there is, when it is a path of this repository', () => {
    const path =
      /(?<![\w./*-])((?:src|sql|test|docs|charts|deploy|migrations)\/[\w./-]+\.[a-z]+)\b(?![*{<])/g;
    expect(strange(path, (name) => existsSync(join(ROOT, name)))).toEqual([]);
  });

  it('is a setting that there is', () => {
    const names: string[] = Object.values(SETTINGS).map(({ name }) => name);
    const prefixes =
      /^(AMQP|API|AUTH|BUDGET|BUDGETS|CANARY|COMPRESS|DATABASE|DEDUPE|EXPORT|FRESH|HTTP|INGEST|RATE|RAW|RETENTION|ROLLUP|S3|VERIFY)_/;
    const known = (name: string): boolean =>
      !prefixes.test(name) || names.includes(name.replace(/_FILE$/, '')) || names.includes(name);
    expect(strange(/`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g, known)).toEqual([]);
  });

  it('is a metric that there is', () => {
    const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('spec.ts'))
      .map((file) => readFileSync(join(ROOT, 'src', file), 'utf8'));
    const names = new Set(
      sources.flatMap((text) => [...text.matchAll(/name: '(\w+)'/g)].map(([, name]) => name)),
    );
    const metric =
      /`((?:answer|audit|budget|canary|export|http|ingest|rollup|verify)s?_\w*(?:bytes|events|gaps|messages|ratio|rows|running|seconds|total|valid|windows)(?:_total)?)(?:_count|_bucket|_sum)?[`{]/g;
    expect(strange(metric, (name) => names.has(name))).toEqual([]);
    expect(TEXTS.flatMap(({ text }) => text.match(metric) ?? []).length).toBeGreaterThan(20);
  });

  it('is a dashboard that there is, and each of them is in docs/grafana.md', () => {
    const chart = join(ROOT, 'charts', 'usage-analytics');
    const titles = ['dashboards', 'dashboards-prometheus'].flatMap((directory) =>
      readdirSync(join(chart, directory)).map((file) => {
        return (JSON.parse(readFileSync(join(chart, directory, file), 'utf8')) as { title: string }).title;
      }),
    );
    expect(strange(/dashboard "([^"]+)"/g, (title) => titles.includes(title))).toEqual([]);
    const page = readFileSync(join(ROOT, 'docs', 'grafana.md'), 'utf8');
    expect(
      titles.filter((title) => !new RegExp(`^\\| ${title} +\\||dashboard, ${title} `, 'm').test(page)),
    ).toEqual([]);
  });

  it('is a route that there is', () => {
    const routes = Object.keys(openapi.paths).map(
      (route) => new RegExp(`^${route.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    );
    const known = (path: string): boolean =>
      routes.some((route) => route.test(path.replace('$ORG', 'ORG').replace(/[.,;:]+$/, '')));
    const inText = /(?:GET|POST|DELETE) (\/analytics\/v1\/[\w/{}.-]+)/g;
    const inCurl = /\$SERVICE(\/analytics\/v1\/[^\s"'?|)$]+(?:\$ORG[^\s"'?|)$]*)?)/g;
    expect([...strange(inText, known), ...strange(inCurl, known)]).toEqual([]);
  });
});

describe('the API by example', () => {
  it('explains every status of a failure that a route may answer', () => {
    const page = readFileSync(join(ROOT, 'docs', 'api.md'), 'utf8');
    const explained = [...page.matchAll(/^\| (\d{3}) /gm)].map(([, status]) => status);
    const answers = Object.values(openapi.paths).flatMap((methods) =>
      Object.values<{ responses: object }>(methods).flatMap(({ responses }) => Object.keys(responses)),
    );
    const failures = [...new Set(answers)].filter((status) => status >= '400').sort();
    expect(failures.filter((status) => !explained.includes(status))).toEqual([]);
    expect(failures.length).toBeGreaterThan(5);
  });
});

describe('the runbooks', () => {
  const pages = PAGES.filter((page) => page.startsWith('docs/runbooks/'));

  it('are walked through, every one', () => {
    const walks = readFileSync(join(__dirname, 'e2e', 'runbook-walks.e2e-spec.ts'), 'utf8');
    const names = pages.map((page) => basename(page, '.md')).filter((name) => name !== 'README');
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !walks.includes(`'${name}`))).toEqual([]);
  });

  it('have commands in blocks that are run, and in no sentence', () => {
    expect([...new Set(pages.flatMap(languagesOf))].sort()).toEqual(['console', 'sh', 'sql']);
    const inSentences = pages.flatMap(
      (page) => readFileSync(join(ROOT, page), 'utf8').match(/`(kubectl|rabbitmqctl) [^`]+`/g) ?? [],
    );
    expect(inSentences).toEqual([]);
  });
});
