import fc from 'fast-check';
import { type DecodeRules, decodeUsageEnvelope, decodeUsageMessage } from './decode-usage-message';
import { arrivedBytes } from './usage-event';

const NOW = Date.parse('2026-06-15T12:00:00Z');
const ORG = '6e2d8f6c-0c6e-4f0e-9c62-0f6f3b1a7c11';
const rules = { lateHorizon: 7 * 86_400_000, knownOrgs: null, maxMessageBytes: 1_048_576 };

const valid = {
  eventId: '0197a6f0-5b7c-7c3e-8a51-5a3a0f6b2d10',
  orgId: ORG,
  modelId: 'meta/llama-3-70b',
  occurredAt: '2026-06-15T11:59:30.250Z',
  status: 'success',
  latencyMs: 1200,
  inputTokens: 374,
  outputTokens: 44,
};

function decode(message: unknown, over: Partial<DecodeRules> = {}) {
  const body = Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message));
  return decodeUsageMessage(body, { ...rules, ...over }, NOW, 42);
}

function reasonOf(message: unknown, over = {}) {
  const { events, rejects } = decode(message, over);
  expect(events).toHaveLength(0);
  return rejects[0]?.reject.reason;
}

describe('decoding a usage message', () => {
  it('normalises a bare event and keeps its place', () => {
    const { events, rejects } = decode({ ...valid, orgId: ORG.toUpperCase(), cost: '0.50' });
    expect(rejects).toEqual([]);
    expect(events[0]).toMatchObject({
      offset: 42,
      index: 0,
      event: { orgId: ORG, eventId: valid.eventId, occurredAt: Date.parse(valid.occurredAt) },
    });
    expect(events[0]?.event.copyLine.split('\t')).toEqual([
      '2026-06-15T11:59:30.250Z', ORG, valid.eventId, '1200', '374', '44',
      '\\N', '\\N', '147', 'success', '0.5', 'meta/llama-3-70b', '', '\\N', '\\N', '\\N',
    ]); // prettier-ignore
  });

  it('gives the same payload hash to the same event however its JSON is written', () => {
    const written = decode({ ...valid, cost: 0.5, metadata: { b: '2', a: '1' }, clientId: null });
    const otherwise = decode({
      metadata: { a: '1', b: '2' },
      ...valid,
      occurredAt: '2026-06-15T13:59:30.2500+02:00',
      cost: '0.500',
      somethingNew: true,
    });
    expect(otherwise.events[0]?.event.payloadHash).toBe(written.events[0]?.event.payloadHash);
    expect(otherwise.unknownFields).toBe(1);
  });

  it.each(Object.entries({ latencyMs: 1201, status: 'error', cost: '0.1', clientId: 'c', actorId: 'a', outputTokens: 45 }))(
    'gives another payload hash when %s differs',
    (field, value) => {
      const changed = decode({ ...valid, [field]: value }).events[0]?.event.payloadHash;
      expect(changed).toHaveLength(32);
      expect(changed).not.toBe(decode(valid).events[0]?.event.payloadHash);
    },
  ); // prettier-ignore

  it('reads arrays and CloudEvents, structured, in batches and in base64', () => {
    const cloud = { specversion: '1.0', id: '1', source: 'router', type: 'usage', data: valid };
    const { data, ...rest } = cloud;
    const base64 = { ...rest, data_base64: Buffer.from(JSON.stringify(data)).toString('base64') };
    expect(decode([valid, valid]).events.map(({ index }) => index)).toEqual([0, 1]);
    expect(decode(cloud).events).toHaveLength(1);
    expect(decode([cloud, base64, valid]).events).toHaveLength(3);
    expect(decodeUsageEnvelope(cloud, rules, NOW).events).toHaveLength(1);
  });

  it('keeps what arrived: the body that is one event, and of others the event as JSON', () => {
    const body = Buffer.from(JSON.stringify(valid, null, 2));
    const arrived = (message: unknown) => decode(message).events.map(({ event }) => arrivedBytes(event));
    const written = Buffer.from(JSON.stringify(valid));
    expect(arrived(body)).toEqual([body]);
    expect(arrived([valid, valid])).toEqual([written, written]);
    expect(arrived({ specversion: '1.0', id: '1', source: 'r', type: 'usage', data: valid })).toEqual([
      written,
    ]);
  });

  it('keeps the good events of a message that holds bad ones', () => {
    const { events, rejects } = decode([valid, { ...valid, latencyMs: -1 }, 7, valid]);
    expect(events.map(({ index }) => index)).toEqual([0, 3]);
    expect(rejects.map(({ index, reject }) => [index, reject.reason])).toEqual([
      [1, 'schema_violation'],
      [2, 'schema_violation'],
    ]);
    expect(rejects[0]?.reject).toMatchObject({ orgId: ORG, eventId: valid.eventId });
    expect(rejects[0]?.reject.detail).toBe('/latencyMs must be >= 0.');
  });

  it.each<[string, unknown, string]>([
    ['is not JSON', Buffer.from('{"eventId"'), 'not_json'],
    ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'not_json'],
    ['is empty', Buffer.alloc(0), 'not_json'],
    ['is no object', 'text', 'schema_violation'],
    ['lacks a field', { ...valid, modelId: undefined }, 'schema_violation'],
    ['has a urn instead of a uuid', { ...valid, eventId: `urn:uuid:${valid.eventId}` }, 'schema_violation'],
    ['has a time without offset', { ...valid, occurredAt: '2026-06-15T11:59:30' }, 'schema_violation'],
    ['has a day that does not exist', { ...valid, occurredAt: '2026-02-30T11:59:30Z' }, 'schema_violation'],
    ['has such a day, written as it would be stored', { ...valid, occurredAt: '2026-02-30T11:59:30.000Z' }, 'schema_violation'],
    ['has a year of six digits', { ...valid, occurredAt: '+010000-01-01T00:00:00.000Z' }, 'schema_violation'],
    ['has a leap second', { ...valid, occurredAt: '2016-12-31T23:59:60Z' }, 'schema_violation'],
    ['has a fraction of tokens', { ...valid, inputTokens: 1.5 }, 'schema_violation'],
    ['has too many tokens', { ...valid, inputTokens: 2 ** 31 }, 'schema_violation'],
    ['has an unknown status', { ...valid, status: 'ok' }, 'schema_violation'],
    ['has a negative cost', { ...valid, cost: -1 }, 'schema_violation'],
    ['has a cost of 11 fractional digits', { ...valid, cost: '0.12345678901' }, 'schema_violation'],
    ['has a NUL in its text', { ...valid, modelId: 'a\u0000b' }, 'schema_violation'],
    ['has a lone surrogate', Buffer.from(JSON.stringify(valid).replace('meta', '\\ud800')), 'schema_violation'],
    ['has nested metadata', { ...valid, metadata: { a: { b: 'c' } } }, 'schema_violation'],
    ['has 33 metadata keys', { ...valid, metadata: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, ''])) }, 'schema_violation'],
    ['has more than 4 KiB of metadata', { ...valid, metadata: { a: 'x'.repeat(4_096) } }, 'schema_violation'],
    ['occurred in the future', { ...valid, occurredAt: '2026-06-15T12:05:00.001Z' }, 'in_future'],
    ['occurred before the late horizon', { ...valid, occurredAt: '2026-06-08T11:59:59.999Z' }, 'too_late'],
    ['has another CloudEvents version', { specversion: '0.3', data: valid }, 'schema_violation'],
    ['looks like a refusal', { reason: 'conflict', detail: 'x' }, 'schema_violation'],
    ['holds more than 5,000 events', Array.from({ length: 5_001 }, () => 0), 'oversized'],
  ])('refuses a message that %s', (_, message, reason) => {
    expect(reasonOf(message)).toBe(reason);
  }); // prettier-ignore

  it('refuses an organisation that is not on the list, and a body above the limit', () => {
    expect(reasonOf(valid, { knownOrgs: new Set([valid.eventId]) })).toBe('unknown_org');
    expect(reasonOf(valid, { maxMessageBytes: 20 })).toBe('oversized');
    expect(decode(valid, { knownOrgs: new Set([ORG]) }).events).toHaveLength(1);
  });

  it('keeps at most 16 KiB of what it refuses, and its whole size', () => {
    const { rejects } = decode(Buffer.alloc(40_000, 'x'));
    expect(rejects[0]?.reject).toMatchObject({ payloadBytes: 40_000 });
    expect(rejects[0]?.reject.payload).toHaveLength(16_384);
  });

  it('refuses what nests too deeply to be written again, and keeps the message', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    const event = (levels: number) => JSON.stringify(valid).replace('{', `{"trail":${nested(levels)},`);
    expect(decode(Buffer.from(event(63))).events).toHaveLength(1);
    for (const message of [
      event(64),
      event(100_000),
      nested(100_000),
      `[{"latencyMs":${nested(100_000)}}]`,
    ]) {
      const body = Buffer.from(message);
      expect(reasonOf(body)).toBe('schema_violation');
      expect(decode(body).rejects[0]?.reject.payload).toEqual(body.subarray(0, 16_384));
    }
    expect(decodeUsageEnvelope(JSON.parse(nested(100_000)), rules, NOW).rejects).toHaveLength(1);
  });

  it('refuses CloudEvents whose data_base64 is no JSON in UTF-8', () => {
    const data = Buffer.from(JSON.stringify(valid).replace('meta', '\xff'), 'latin1');
    for (const bytes of [data, Buffer.from('{')])
      expect(reasonOf({ specversion: '1.0', data_base64: bytes.toString('base64') })).toBe('not_json');
  });

  it.each([
    ['0000-12-31T23:59:59.999Z', false],
    ['0001-01-01T00:00:00.000Z', true],
    ['1850-01-01T00:00:00.000Z', true],
    ['9999-12-31T23:59:59.999Z', true],
  ])('keeps the time of a refused event where PostgreSQL can: %s', (occurredAt, isKept) => {
    const [reject] = decode({ ...valid, occurredAt }).rejects;
    expect(reject?.reject.occurredAt).toBe(isKept ? Date.parse(occurredAt) : null);
  });

  it('never throws and loses nothing, whatever arrives', () => {
    const item = fc.oneof(
      fc.anything(),
      fc.anything().map((latencyMs) => ({ ...valid, latencyMs })),
      fc.constant(valid),
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array().map(Buffer.from), fc.array(item, { maxLength: 5 })), (message) => {
        const bytes = Buffer.isBuffer(message)
          ? message
          : Buffer.from(
              JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
            );
        const { events, rejects } = decode(bytes);
        if (!Buffer.isBuffer(message)) expect(events.length + rejects.length).toBe(message.length);
      }),
    );
  });

  it('writes text that COPY reads back unchanged', () => {
    const unescape = (text: string) =>
      text.replace(/\\(.)/g, (_, c: string) => ({ t: '\t', n: '\n', r: '\r' })[c] ?? c);
    fc.assert(
      fc.property(fc.stringMatching(/^[\\\t\n\r\\Na-c"']{1,20}$/), (modelId) => {
        const columns = decode({ ...valid, modelId }).events[0]?.event.copyLine.split('\t') ?? [];
        expect(columns).toHaveLength(16);
        expect(unescape(columns[11] ?? '')).toBe(modelId);
      }),
    );
  });
});
