import { parseIdempotencyKey } from './idempotency-key';

describe('the Idempotency-Key', () => {
  it.each([
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['"a\\"b\\\\c"', 'a"b\\c'],
  ])('is the same bare and quoted: %s', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  it('may be absent', () => {
    expect(parseIdempotencyKey(undefined)).toBeNull();
  });

  it.each(['', '""', 'two words', 'ü', 'x'.repeat(256)])('may not be %j', (header) => {
    expect(() => parseIdempotencyKey(header)).toThrow('Idempotency-Key');
  });
});
