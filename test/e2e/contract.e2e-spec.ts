import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiText } from '../../src/platform/http/openapi';
import { RunningService } from '../support/running-service';
import { createTestDatabase, type TestDatabase } from '../support/test-database';

describe('the contract of the API', () => {
  let database: TestDatabase;
  let service: RunningService;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    service = await RunningService.start({ DATABASE_URL: database.url });
  });
  afterAll(async () => {
    await service.stop();
    await database.drop();
  });

  it('is docs/openapi.json, which `npm run openapi` writes', () => {
    const committed = readFileSync(join(__dirname, '..', '..', 'docs', 'openapi.json'), 'utf8');
    expect(openApiText(service.app)).toBe(committed);
  });

  it('is what the service serves', async () => {
    const { text } = await service.get('/openapi.json');
    expect(`${JSON.stringify(JSON.parse(text), null, 2)}\n`).toBe(openApiText(service.app));
  });
});
