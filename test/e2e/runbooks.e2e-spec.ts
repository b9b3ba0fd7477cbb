import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceProcess } from '../../src/cli/service-process';
import { outputOf } from '../support/debian-tools';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';

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

const commands = readdirSync(RUNBOOKS).flatMap((file) =>
  [...readFileSync(join(RUNBOOKS, file), 'utf8').matchAll(/^```(sql|sh)\n(.*?)^```$/gms)].map(
    ([, language = '', text = ''], index) => ({ name: `${file} ${index + 1}`, file, language, text }),
  ),
);

/** For machines without curl: what of it the runbooks use. */
const CURL = `#!/usr/bin/env node
const [url, key] = [process.argv.find((word) => word.startsWith('http')), process.argv.find((word) => word.startsWith('x-api-key'))];
fetch(url, { headers: key ? { 'x-api-key': key.split(': ')[1] } : {} }).then(async (answer) => console.log(await answer.text()));
`;

describeEachEngine('the commands of the runbooks', (engine) => {
  let database: TestDatabase;
  let service: ServiceProcess;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'runbooks-'));
    database = await createTestDatabase(engine);
    service = await ServiceProcess.start(
      { NODE_ENV: 'test', DATABASE_URL: database.url, DATA_DIR: directory, API_KEYS },
      join(directory, 'service.log'),
    );
    await service.ready();
    if ((await outputOf('curl', ['--version'])).code === 0) return;
    writeFileSync(join(directory, 'curl'), CURL);
    chmodSync(join(directory, 'curl'), 0o755);
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
    rmSync(directory, { recursive: true });
  });

  const shell = (text: string) =>
    outputOf('bash', ['-euo', 'pipefail', '-c', text], {
      cwd: ROOT,
      env: {
        ...process.env,
        PATH: `${process.env['PATH']}:${directory}`,
        SERVICE: service.url,
        KEY,
        DATABASE_URL: database.url,
      },
    });

  it('are there', () => {
    expect(new Set(commands.map(({ file }) => file)).size).toBe(readdirSync(RUNBOOKS).length);
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

  it('show the fault that they are for', async () => {
    await database.pool.query(
      `insert into data_gaps (partition, incarnation, kind, from_offset, to_offset, data_through)
       values (0, 1, 'truncated', 4711, 4722, now())`,
    );
    await database.pool.query(
      `insert into quarantined_events (partition, incarnation, stream_offset, position, reason, detail, org_id, payload, payload_bytes)
       values (0, 1, 1, 0, 'conflict', 'planted', $1, '', 0)`,
      [randomUUID()],
    );
    const told = async (file: string, language: string): Promise<string> => {
      const texts = commands.filter((each) => each.file === file && each.language === language);
      const answers = await Promise.all(
        texts.map(async ({ text }) =>
          language === 'sh'
            ? (await shell(text)).text
            : JSON.stringify((await database.pool.query(text)).rows),
        ),
      );
      return answers.join('\n');
    };
    expect(await told('usage-data-gap.md', 'sql')).toContain('4711');
    expect(await told('usage-data-gap.md', 'sh')).toContain('4711');
    expect(await told('usage-dedupe-conflicts.md', 'sql')).toContain('"conflicts":"1"');
    expect(await told('usage-dedupe-conflicts.md', 'sh')).toContain('planted');
    expect(await told('usage-rejects-high.md', 'sql')).toContain('planted');
  });
});
