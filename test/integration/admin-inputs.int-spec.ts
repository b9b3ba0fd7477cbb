import { openApiDocument } from '../../src/platform/http/openapi';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';

interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly schema: Schema;
}
interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
}

const INSTANTS = ['start', 'end', 'from', 'to'];

/** Values that make no sense for a parameter; none where every text is one. */
function senseless({ name, in: place, schema }: Parameter): string[] {
  const { type, format, enum: allowed } = schema.items ?? schema;
  if (place === 'path' && format !== 'uuid') return [];
  if (place === 'path') return ['7', 'null', 'a0000000-0000-4000-8000-00000000000'];
  if (name === 'cursor') return ['x', '%25', 'bnVsbA'];
  if (type === 'integer' || type === 'number') return ['x', '-1', '1.5', '1e309', '99999999999999999999'];
  if (INSTANTS.includes(name)) return ['yesterday', '2026-13-01', '-5', '9999-01-01'];
  if (allowed || format === 'uuid') return ['nonsense'];
  return [];
}

describe('routes of operators', () => {
  let database: TestDatabase;
  let service: TrialService;

  beforeAll(async () => {
    database = await createTestDatabase('postgres');
    service = await startTrial(database, { settings: { RATE_LIMIT_PER_MINUTE: '0' } });
  });
  afterAll(async () => {
    await service?.close();
    await database?.drop();
  });

  /** Every route below /admin with what the contract says it takes. */
  function routes(): { method: 'GET' | 'POST' | 'DELETE'; path: string; parameters: readonly Parameter[] }[] {
    return Object.entries(openApiDocument(service.app).paths)
      .filter(([path]) => path.startsWith('/analytics/v1/admin/'))
      .flatMap(([path, item]) =>
        Object.entries(item as Record<string, Operation>).map(([method, { parameters = [] }]) => ({
          method: method.toUpperCase() as 'GET',
          path: path.replace('/analytics/v1', ''),
          parameters,
        })),
      );
  }

  async function refused(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    parameter: string,
  ): Promise<string[]> {
    const { status, headers, body } = await service.send(method, path, method === 'POST' ? { reason: 'x' } : undefined); // prettier-ignore
    const named = (body.errors ?? []) as { parameter?: string; detail: string }[];
    const said = named.find((error) => error.parameter === parameter)?.detail ?? '';
    const isRight =
      status === 400 && headers['content-type'] === 'application/problem+json' && said.length > 8;
    return isRight ? [] : [`${method} ${path}: ${status} ${JSON.stringify(body).slice(0, 200)}`];
  }

  it('refuse each value that makes no sense, by the name of its parameter, with what would', async () => {
    const wrong: string[] = [];
    let asked = 0;
    for (const { method, path, parameters } of routes()) {
      for (const parameter of parameters) {
        for (const value of senseless(parameter)) {
          const inPath = path.replace(`{${parameter.name}}`, value).replace(/\{\w+\}/g, '7');
          const query = parameter.in === 'query' ? `?${parameter.name}=${value}` : '';
          wrong.push(...(await refused(method, `${inPath}${query}`, parameter.name)));
          asked += 1;
        }
      }
      if (method === 'GET' && parameters.some((parameter) => parameter.in === 'query'))
        wrong.push(...(await refused(method, `${path}?colour=red`, 'colour')));
    }
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThan(60);
  });

  it.each(['/admin/quarantine', '/admin/audit'])(
    'refuse a window that ends before it begins: %s',
    async (path) => {
      const { status, body } = await service.send('GET', `${path}?start=now-1d&end=now-2d`);
      expect([status, body.errors?.[0]?.parameter]).toEqual([400, 'end']);
    },
  );
});
