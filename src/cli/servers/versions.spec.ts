import { isAtLeast } from './versions';

describe('isAtLeast', () => {
  it.each([
    ['15.6', '15', true],
    ['14.11', '15', false],
    ['2.13.1', '2.13.1', true],
    ['2.13.0', '2.13.1', false],
    ['2.9.3', '2.13.1', false],
    ['3.10.8', '3.10', true],
    ['4.0', '3.10', true],
    ['17beta1', '15', true],
  ])('takes %s as at least %s: %s', (version, minimum, expected) => {
    expect(isAtLeast(version, minimum)).toBe(expected);
  });
});
