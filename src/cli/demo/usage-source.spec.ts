import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeUsageEnvelope } from '../../shared/usage-event/decode-usage-message';
import { generate, readTrace } from './usage-source';

const ORG = 'a0000000-0000-4000-8000-00000000000a';
const NOW = Date.parse('2026-06-15T12:00:00Z');

describe('the demo feed', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'trace-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  function trace(text: string): string {
    const path = join(directory, 'trace.csv');
    writeFileSync(path, text);
    return path;
  }

  it('keeps the token counts of a trace and moves its last call to the end', () => {
    const path = trace(
      'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:16:46.6805900,396,109\n',
    );
    const { events } = readTrace(path, ORG, NOW, 1);
    expect(events.map(({ inputTokens, outputTokens }) => [inputTokens, outputTokens])).toEqual([
      [374, 44],
      [396, 109],
    ]);
    expect(events.map(({ occurredAt }) => occurredAt)).toEqual([
      '2026-06-15T11:59:00.000Z',
      '2026-06-15T12:00:00.000Z',
    ]);
  });

  it.each([
    ['another header', 'a,b,c\n', 'must begin with the line'],
    ['a broken line', 'TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n', 'trace.csv:2 must be'],
  ])('names the place of %s', (_, text, message) => {
    expect(() => readTrace(trace(text), ORG, NOW, 1)).toThrow(message);
  });

  it('sends only events that the service admits, the same for the same seed', () => {
    const { events } = generate(2_000, ORG, NOW, 7);
    const { rejects } = decodeUsageEnvelope(events, { lateHorizon: 86_400_000, knownOrgs: null }, NOW);
    expect(rejects).toEqual([]);
    expect(generate(2_000, ORG, NOW, 7)).toEqual(generate(2_000, ORG, NOW, 7));
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(2_000);
  });
});
