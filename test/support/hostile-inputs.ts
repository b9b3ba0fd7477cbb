import { ORG_A, usageEvent } from './usage-events';

/** A request that a well-behaved caller would not send. */
export interface HostileInput {
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below /analytics/v1, as it goes over the wire. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

const SQL = [
  "' or '1'='1",
  "'; drop table usage_events; --",
  '1; select pg_sleep(10)',
  '$1) union select sha256 from api_keys --',
  'now()',
  "\\'; copy (select 1) to program 'id' --",
];
const PATHS = [
  '../../../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  'C:\\Windows\\win.ini',
  'file:///etc/passwd',
];
const NUMBERS = [
  '9007199254740993',
  '-9223372036854775809',
  '1e309',
  'NaN',
  '-0',
  '0x10',
  '１２',
  '1'.repeat(400),
];
const UNICODE = [
  '\u0000',
  'a\u0000b',
  '\u202Etxt.exe',
  '\uFEFF',
  'Å\u0301',
  '\u{1F4A9}'.repeat(60),
  '\uFFFF',
];
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
const OTHERS = [
  '',
  ' ',
  '{"$gt":""}',
  '${jndi:ldap://127.0.0.1/a}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '%',
  '\r\nset-cookie: a=b',
];
const VALUES = [...SQL, ...PATHS, ...NUMBERS, ...UNICODE, ...NAMES, ...OTHERS];

/** Parameters in which none of these means anything; white space, which U+FEFF is, is none given. */
const TYPED = [
  'start',
  'end',
  'timezone',
  'granularity',
  'maxPoints',
  'fill',
  'limit',
  'compare',
  'groupBy',
  'orderBy',
];

const ofA = `/orgs/${ORG_A}`;

function get(name: string, path: string, headers?: Record<string, string>): HostileInput {
  return { name, method: 'GET', path, ...(headers && { headers }) };
}

function queries(): HostileInput[] {
  const inputs = TYPED.flatMap((parameter) =>
    VALUES.filter((value) => value.trim() !== '').map((value) =>
      get(`${parameter}=${JSON.stringify(value)}`, `${ofA}/usage?${parameter}=${encodeURIComponent(value)}`),
    ),
  );
  const shaped = ['start[$gt]=1', 'start[]=1&start[]=2', 'limit=1&limit=2', '__proto__[admin]=1', 'constructor.prototype=1', 'unknown=1', 'start=now-24h&start=now'];
  return [...inputs, ...shaped.map((query) => get(`the query ${query}`, `${ofA}/usage?${query}`))];
} // prettier-ignore

function names(): HostileInput[] {
  const bad = ['\u0000', 'a\u0000b', 'x'.repeat(201)];
  return ['modelId', 'clientId'].flatMap((parameter) =>
    bad.map((value) => get(`${parameter}=${JSON.stringify(value).slice(0, 20)}`, `${ofA}/usage?${parameter}=${encodeURIComponent(value)}`)),
  );
} // prettier-ignore

function paths(): HostileInput[] {
  const ids = [...SQL, ...PATHS, '0', '-1', ...NAMES, '\u0000', `${ORG_A}\u0000`, ` ${ORG_A}`, `${ORG_A}x`, ORG_A.replaceAll('-', ''), 'null', 'undefined', '*'];
  const routes = [
    (id: string) => `/orgs/${id}/usage`,
    (id: string) => `${ofA}/exports/${id}`,
    (id: string) => `/admin/reaggregations/${id}`,
  ];
  return routes.flatMap((route) =>
    ids.map((id) => get(`the path ${route(JSON.stringify(id))}`, route(encodeURIComponent(id)))),
  );
} // prettier-ignore

function cursors(): HostileInput[] {
  const forged = ['x', '0', Buffer.from('1.1').toString('base64url'), Buffer.from(`1 or 1=1.${ORG_A}`).toString('base64url'), Buffer.from('[1]').toString('base64url'), '%00', '____'];
  const lists = [`${ofA}/models`, `${ofA}/exports`, `${ofA}/quarantine`, '/admin/audit', '/admin/data-gaps', '/admin/api-keys'];
  return lists.flatMap((list) => forged.filter((cursor) => list !== '/admin/audit' || cursor !== '1').map((cursor) => get(`${list}?cursor=${cursor}`, `${list}?cursor=${cursor}`)));
} // prettier-ignore

function headers(): HostileInput[] {
  const usage = `${ofA}/usage`;
  return [
    { name: 'a text as body', method: 'POST', path: '/events', headers: { 'content-type': 'text/plain' }, body: 'x' },
    { name: 'a form as body', method: 'POST', path: `${ofA}/exports`, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=b' },
    { name: 'XML as body', method: 'POST', path: '/events', headers: { 'content-type': 'application/xml' }, body: '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>' },
    { name: 'a method that is not there', method: 'DELETE', path: '/usage' },
    get('a path in upper case', usage.toUpperCase()),
    get('a path that cannot be decoded', `/orgs/%E0%A4%A/usage`),
    get('a doubled slash', `//orgs/${ORG_A}//usage`),
    get('an idempotency key of another route', `${usage}/../../../admin/audit/x`),
  ];
} // prettier-ignore

const json = (name: string, path: string, body: string | Buffer): HostileInput => ({
  name,
  method: 'POST',
  path,
  headers: { 'content-type': 'application/json' },
  body,
});

function bodies(): HostileInput[] {
  const window = { start: '2026-10-01', end: '2026-10-02' };
  const job = { window, granularity: 'daily' };
  const objects: [string, unknown][] = [
    ...VALUES.filter((value) => value.trim() !== '').map((value): [string, unknown] => [`granularity ${JSON.stringify(value)}`, { ...job, granularity: value }]),
    ...['__proto__', 'constructor', 'isAdmin', 'orgId', 'state'].map((name): [string, unknown] => [`the field ${name}`, JSON.parse(`{"window":{"start":"2026-10-01","end":"2026-10-02"},"granularity":"daily","${name}":{"a":1}}`)]),
    ['a window that is a list', { ...job, window: [] }],
    ['a window of objects', { ...job, window: { start: {}, end: {} } }],
    ['a window of numbers past 2^53', { ...job, window: { start: 9007199254740993, end: 9007199254740995 } }],
    ['filters that are a text', { ...job, filters: "' or 1=1" }],
    ['a filter of objects', { ...job, filters: { modelIds: [{ $ne: null }] } }],
    ['ten thousand filters', { ...job, filters: { modelIds: Array.from({ length: 10_000 }, String) } }],
    ['a filter with NUL', { ...job, filters: { modelIds: ['a\u0000b'] } }],
    ['a window of a thousand years', { ...job, window: { start: '1000-01-01', end: '2026-01-01' } }],
    ['a window backwards', { ...job, window: { start: window.end, end: window.start } }],
    ['a time zone that is a path', { ...job, timezone: '../../etc/localtime' }],
    ['nothing', {}],
    ['a list', [job]],
    ...['window', 'granularity', 'timezone', 'filters', 'format'].map((field): [string, unknown] => [`null as ${field}`, { ...job, [field]: null }]),
    ...['modelIds', 'clientIds', 'statuses'].flatMap((field): [string, unknown][] => [
      [`null as filter ${field}`, { ...job, filters: { [field]: null } }],
      [`null in the filter ${field}`, { ...job, filters: { [field]: [null] } }],
    ]),
    ['null as start', { ...job, window: { ...window, start: null } }],
  ];
  const key = { name: 'k', roles: ['producer'] };
  const keys: [string, unknown][] = [
    ['null as name', { ...key, name: null }],
    ['null as roles', { ...key, roles: null }],
    ['null in roles', { ...key, roles: [null] }],
  ];
  const texts: [string, string | Buffer][] = [
    ['no JSON', '{'],
    ['NaN', '{"granularity":NaN}'],
    ['a number without end', `{"granularity":${'9'.repeat(100_000)}}`],
    ['JSON of a depth of 100,000', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['objects of a depth of 50,000', '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000)],
    ['more than HTTP_BODY_LIMIT', `"${'x'.repeat(1_100_000)}"`],
    ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['__proto__ as text', '{"__proto__":{"admin":true},"window":{},"granularity":"daily"}'],
    ['constructor.prototype as text', '{"constructor":{"prototype":{"admin":true}},"granularity":"daily"}'],
    ['null', 'null'],
    ['a text', '"x"'],
    ['nothing at all', ''],
  ];
  return [
    ...objects.map(([name, body]) => json(`an export with ${name}`, `${ofA}/exports`, JSON.stringify(body))),
    ...texts.map(([name, body]) => json(`an export of ${name}`, `${ofA}/exports`, body)),
    ...texts.map(([name, body]) => json(`an event of ${name}`, '/events', body)),
    ...texts.map(([name, body]) => json(`a key of ${name}`, `${ofA}/api-keys`, body)),
    ...keys.map(([name, body]) => json(`a key with ${name}`, '/admin/api-keys', JSON.stringify(body))),
    json('a re-aggregation with null as timezone', '/admin/reaggregations', JSON.stringify({ window: { start: 'now-2h', end: 'now' }, timezone: null })),
  ];
} // prettier-ignore

/** Every request is answered 4xx and leaves nothing behind. */
export const HOSTILE_INPUTS: readonly HostileInput[] = [
  ...queries(),
  ...names(),
  ...paths(),
  ...cursors(),
  ...headers(),
  ...bodies(),
];

/** Events of which none may be stored, as JSON text: what JSON.stringify cannot write is part of it. */
export const HOSTILE_EVENTS: readonly (readonly [string, string])[] = [
  ...['inputTokens', 'outputTokens', 'latencyMs'].flatMap((field) =>
    ['-1', '1.5', '9007199254740993', '9223372036854775808', '1e400', '"1"', 'null', 'true', '[1]', '{}'].map(
      (value) => [`${field} ${value}`, withField(field, value)] as const,
    ),
  ),
  ...['"-1"', '"1e5"', '"NaN"', '"0x10"', '"1,5"', '" 1"', '"1;drop table usage_events"', `"${'9'.repeat(60)}"`, '"0.00000000001"', '[]', '"\\u0000"'].map(
    (value) => [`cost ${value.slice(0, 30)}`, withField('cost', value)] as const,
  ),
  ...['eventId', 'orgId'].flatMap((field) =>
    [`"${"' or 1=1"}"`, '"../../etc/passwd"', '"__proto__"', '1', 'null', '{}', '"\\u0000"', `"${'a'.repeat(5_000)}"`].map(
      (value) => [`${field} ${value.slice(0, 30)}`, withField(field, value)] as const,
    ),
  ),
  ...['""', '"a\\u0000b"', `"${'m'.repeat(201)}"`, '1', '{"a":1}', '"\\ud800"'].map(
    (value) => [`modelId ${value.slice(0, 30)}`, withField('modelId', value)] as const,
  ),
  ...['"soon"', '"2026-13-45T99:99:99Z"', '"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00Z"', '"+275760-09-14T00:00:00Z"', '1', '""'].map(
    (value) => [`occurredAt ${value}`, withField('occurredAt', value)] as const,
  ),
  ...['"SUCCESS"', '"toString"', '"__proto__"', '1'].map(
    (value) => [`status ${value}`, withField('status', value)] as const,
  ),
]; // prettier-ignore

/** A valid event but for this field. */
function withField(field: string, text: string): string {
  const { [field as 'cost']: _replaced, ...others } = usageEvent();
  return `${JSON.stringify(others).slice(0, -1)},"${field}":${text}}`;
}

/** Hosts in the URL of a webhook that would reach this machine, its neighbours or its cloud's metadata. */
export const HOSTILE_WEBHOOK_HOSTS: readonly string[] = [
  '127.0.0.1', '127.1', '127.0.0.1.', '0x7f000001', '0x7f.0.0.1', '2130706433', '0177.0.0.1', '017700000001', '0', '0.0.0.0',
  'localhost', 'LOCALHOST', '127。0。0。1', '①②⑦.⓪.⓪.①', '%31%32%37.0.0.1', 'user:pass@127.0.0.1', '8.8.8.8@127.0.0.1',
  '[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::127.0.0.1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:127.0.0.1]',
  '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '169.254.169.254', '0xa9fea9fe', '2852039166', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]',
  '100.100.100.200', '10.0.0.1', '172.16.0.1', '192.168.0.1', '192.168.257', '[fe80::1]', '[fc00::1]', '224.0.0.1', '255.255.255.255',
]; // prettier-ignore
