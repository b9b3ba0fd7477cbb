import fc from 'fast-check';
import { decodeCursor, encodeCursor } from './page-cursor';

const QUESTION = ['models', 'a0000000-0000-4000-8000-00000000000a', 'now-30d', 'now'];
const PAGE = { window: { start: 1_000, end: 2_000 }, after: 'meta/llama' };
const LAST_INSTANT = 8.64e15;

/** A cursor whose content somebody has changed who knows how it is made. */
function forged(change: (content: unknown[]) => unknown): string {
  const content = JSON.parse(Buffer.from(encodeCursor(PAGE, QUESTION), 'base64url').toString()) as unknown[];
  return Buffer.from(JSON.stringify(change(content))).toString('base64url');
}

const replaced = (place: number, value: unknown) =>
  forged((content) => content.map((each, index) => (index === place ? value : each)));

const refusal = expect.objectContaining({
  kind: 'invalid',
  violations: [
    {
      parameter: 'cursor',
      detail:
        'must be the nextCursor of an answer to the same question; leave it out to begin with the first page.',
    },
  ],
});

describe('the cursor of a page', () => {
  it('leads the same question back to where its page ended, whatever the key', () => {
    const keys = fc.string({ unit: 'grapheme' }).filter((key) => !key.includes('\0'));
    fc.assert(
      fc.property(keys, fc.nat(), fc.nat(), (after, start, end) => {
        const page = { window: { start, end }, after };
        expect(decodeCursor(encodeCursor(page, QUESTION), QUESTION)).toEqual(page);
      }),
    );
    const furthest = { window: { start: 1 - LAST_INSTANT, end: LAST_INSTANT - 1 }, after: '' };
    expect(decodeCursor(encodeCursor(furthest, QUESTION), QUESTION)).toEqual(furthest);
  });

  it('is a text that a URL bears, and shows nothing of the question', () => {
    const cursor = encodeCursor(PAGE, QUESTION);
    expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(Buffer.from(cursor, 'base64url').toString()).toMatch(/^\["[A-Za-z0-9_-]{16}",1000,2000,"meta\/llama"\]$/);
  }); // prettier-ignore

  it('is refused for another question: list, organisation, window', () => {
    const cursor = encodeCursor(PAGE, QUESTION);
    for (const place of QUESTION.keys()) {
      const other = QUESTION.map((each, index) => (index === place ? 'other' : each));
      expect(() => decodeCursor(cursor, other)).toThrow(refusal);
    }
  });

  it.each([
    ['nothing', ''],
    ['no JSON', 'x'],
    ['null', Buffer.from('null').toString('base64url')],
    ['a text', Buffer.from('"abcd"').toString('base64url')],
    ['an object', Buffer.from('{"0":"x","length":4}').toString('base64url')],
    ['an empty list', Buffer.from('[]').toString('base64url')],
    ['another digest', replaced(0, 'AAAAAAAAAAAAAAAA')],
    ['no digest', replaced(0, null)],
    ['a start that is a text', replaced(1, '1000')],
    ['a start that is no whole number', replaced(1, 0.5)],
    ['a start before time', replaced(1, -LAST_INSTANT)],
    ['an end that is none', replaced(2, null)],
    ['an end beyond time', replaced(2, LAST_INSTANT)],
    ['a key that is a number', replaced(3, 5)],
    ['a key that is a list', replaced(3, ['a'])],
    ['a key with NUL', replaced(3, 'a\0b')],
    ['no key', forged((content) => content.slice(0, 3))],
  ])('is refused when it was made up: %s', (_, cursor) => {
    expect(() => decodeCursor(cursor, QUESTION)).toThrow(refusal);
  });
});
