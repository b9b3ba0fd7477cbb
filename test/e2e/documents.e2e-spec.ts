import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceProcess } from '../../src/cli/service-process';
import { commandsOf, inShell } from '../support/documented-commands';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';
import { ORG_A } from '../support/usage-events';

const ROOT = join(__dirname, '..', '..');
const RUNBOOKS = join(ROOT, 'docs', 'runbooks');
const SECRET = randomBytes(32).toString('base64url');
const KEY = `ak_operator_${SECRET}`;
const API_KEYS = JSON.stringify([
  {
    id: 'operator',
    sha256: createHash('sha256').update(SECRET).digest('hex'),
    orgId: null,
    roles: ['platform-admin'],
  },
]);

const commands = [
  ...readdirSync(RUNBOOKS).map((file) => `docs/runbooks/${file}`),
  'docs/api.md',
  'docs/operate.md',
].flatMap(commandsOf);

describeEachEngine('the commands of the documents', (engine) => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let service: ServiceProcess;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'runbooks-'));
    [database, vhost] = await Promise.all([createTestDatabase(engine), createTestVhost()]);
    service = await ServiceProcess.start(
      { NODE_ENV: 'test', DATABASE_URL: database.url, AMQP_URL: vhost.url, DATA_DIR: directory, API_KEYS },
      join(directory, 'service.log'),
    );
    await service.ready();
  });
  afterAll(async () => {
    await service?.stop();
    await vhost?.drop();
    await database?.drop();
    rmSync(directory, { recursive: true });
  });

  const shell = (text: string) =>
    inShell(text, { SERVICE: service.url, KEY, ORG: ORG_A, DATABASE_URL: database.url, DATA_DIR: directory });

  it('are there', () => {
    expect(new Set(commands.map(({ file }) => file)).size).toBe(readdirSync(RUNBOOKS).length + 2);
  });

  it.each(commands.filter(({ language }) => language === 'sql'))(
    '$name is SQL that runs',
    async ({ text }) => {
      await expect(database.pool.query(text)).resolves.toBeDefined();
    },
  );

  it.each(commands.filter(({ language }) => language === 'sh'))(
    '$name runs and is not refused',
    async ({ text }) => {
      const { code, text: told } = await shell(text);
      expect([code, told]).toEqual([0, expect.not.stringMatching(/"status":\s*[45]\d\d/)]);
    },
  );
});
