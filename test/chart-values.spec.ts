import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { SETTINGS } from '../src/platform/config/settings';
import { defaultValues, type Values, valuesSchema } from './support/chart';
import { EVERYTHING, VARIANTS } from './support/chart-variants';

/** Code, and buffers of messages, statements and files. */
const OUTSIDE_OF_HEAP_MIB = 150;
const SECRETS = Object.values(SETTINGS).filter((setting) => 'secret' in setting);
const schema = addFormats(new Ajv({ strict: false, allErrors: true })).compile(valuesSchema);

function isAllowed(values: Values): boolean {
  return schema(laidOver(defaultValues, values));
}

function laidOver(base: Values, given: Values): Values {
  const entries = Object.entries(given).map(([key, value]) => {
    const below = base[key];
    return [key, isMap(below) && isMap(value) ? laidOver(below, value) : value] as const;
  });
  return { ...base, ...Object.fromEntries(entries) };
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

describe('the values of the chart', () => {
  it.each(VARIANTS)('may be %s', (_, values) => {
    isAllowed(values);
    expect(schema.errors ?? []).toEqual([]);
  });

  it.each<[string, Values]>([
    ['an unknown key', { replicas: 2 }],
    ['an unknown key below', { roles: { api: { replica: 2 } } }],
    ['a text for a number', { roles: { api: { replicas: '2' } } }],
    ['a port that is none', { service: { port: 70_000 } }],
    ['a digest that is none', { image: { digest: 'latest' } }],
    ['no database', { secretEnv: { DATABASE_URL: null } }],
    ['a secret by value', { secretEnv: { REDIS_URL: 'redis://' } }],
    ['a setting of the process itself', { config: { SERVICE_ROLES: 'api' } }],
    ['a list as a setting', { config: { KNOWN: ['a'] } }],
    ['an ingress without hosts', { ingress: { enabled: true } }],
    ['a peer of another kind', { networkPolicy: { clients: [{ namespace: 'a' }] } }],
    ['a grace that is too short', { terminationGracePeriodSeconds: 10 }],
    ['a setting of the process itself for a role', { roles: { api: { env: { PORT: 80 } } } }],
    ...SECRETS.flatMap(({ name }): [string, Values][] => [
      [`${name} in the clear`, { config: { [name]: 'x' } }],
      [`${name} in the clear for a role`, { roles: { worker: { env: { [name]: 'x' } } } }],
    ]),
  ])('may not have %s', (_, values) => {
    expect(isAllowed(values)).toBe(false);
  });

  it('leave room for what the image lets Node.js take', () => {
    const dockerfile = readFileSync(join(__dirname, '..', 'Dockerfile'), 'utf8');
    const mebibytes = (option: string) => Number(new RegExp(`--${option}=(\\d+)`).exec(dockerfile)?.[1]);
    const most = mebibytes('max-old-space-size') + 3 * mebibytes('max-semi-space-size') + OUTSIDE_OF_HEAP_MIB;
    const roles = Object.values(defaultValues['roles'] as Record<string, { resources: { limits: { memory: string } } }>); // prettier-ignore
    expect(roles).toHaveLength(3);
    for (const { resources } of roles) {
      const [, limit] = /^(\d+)Mi$/.exec(resources.limits.memory) ?? [];
      expect(Number(limit)).toBeGreaterThanOrEqual(most);
    }
  });

  it('name settings of the service', () => {
    const names: string[] = Object.values(SETTINGS).map(({ name }) => name);
    for (const values of [defaultValues, EVERYTHING] as { config: object; secretEnv?: object }[]) {
      const given = [...Object.keys(values.config), ...Object.keys(values.secretEnv ?? {})];
      expect(given.filter((name) => !names.includes(name))).toEqual([]);
    }
  });
});
