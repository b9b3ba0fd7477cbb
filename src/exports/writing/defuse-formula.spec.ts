import fc from 'fast-check';
import { defuseFormula } from './defuse-formula';

describe('defusing formulas', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1', '＋1', '－1', '＠x'])(
    'puts an apostrophe before %j',
    (text) => {
      expect(defuseFormula(text)).toBe(`'${text}`);
    },
  );

  it.each(['meta/llama-3-70b', "'=1", '1-2', '', 'ü'])('leaves %j alone', (text) => {
    expect(defuseFormula(text)).toBe(text);
  });

  it('keeps null, and never lets a cell begin like a formula', () => {
    expect(defuseFormula(null)).toBeNull();
    fc.assert(fc.property(fc.string(), (text) => expect(defuseFormula(text)).not.toMatch(/^[=+\-@\t\r]/)));
  });
});
