import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { ConfigError, loadConfig } from '../platform/config/config';
import { budgetFileValid } from './budget.metrics';
import { BudgetsFile } from './budgets-file';

const ORG = 'A0000000-0000-4000-8000-00000000000A';
const GOOD = `version: 1
budgets:
  - org: ${ORG}
    period: month
    amount: '1250.50'
    timezone: Europe/Berlin
    thresholds: [100, 50, 80]
`;

describe('the file of budgets', () => {
  let directory: string;
  let path: string;
  let writes = 0;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'budgets-'));
    path = join(directory, 'budgets.yaml');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function write(text: string): void {
    writeFileSync(path, text);
    writes += 1;
    utimesSync(path, writes, writes);
  }
  const open = (settings: NodeJS.ProcessEnv = {}) =>
    BudgetsFile.open(loadConfig({ NODE_ENV: 'test', BUDGETS_FILE: path, ...settings }));
  function mistakesOf(text: string, settings: NodeJS.ProcessEnv = {}): readonly string[] {
    write(text);
    try {
      open(settings);
    } catch (error) {
      if (error instanceof ConfigError) return error.mistakes;
      throw error;
    }
    return [];
  }

  it('gives budgets, thresholds ascending', () => {
    write(GOOD);
    const [budget, ...others] = open().all();
    expect(others).toEqual([]);
    expect(budget).toMatchObject({
      orgId: ORG.toLowerCase(),
      period: 'month',
      amount: '1250.50',
      thresholds: [50, 80, 100],
      forecast: 'same-weekday',
      webhook: null,
    });
    expect(budget?.zone.name).toBe('Europe/Berlin');
  });

  it('is none without a setting', () => {
    expect(BudgetsFile.open(loadConfig({ NODE_ENV: 'test' })).all()).toEqual([]);
  });

  it('tells all its mistakes at once, with what is allowed', () => {
    const text = `version: 1
budgets:
  - { org: nobody, period: week, amount: 12.5, thresholds: [0], webhook: 'ftp://x', colour: red }
  - { org: ${ORG}, period: day, thresholds: [] }
`;
    expect(mistakesOf(text).join('\n')).toBe(
      [
        'BUDGETS_FILE /budgets/0 must not have colour.',
        'BUDGETS_FILE /budgets/0/org must be a UUID.',
        'BUDGETS_FILE /budgets/0/period must be month or day.',
        "BUDGETS_FILE /budgets/0/amount must be an exact decimal in quotes such as '1250.00', with at most 10 decimals.",
        'BUDGETS_FILE /budgets/0/thresholds/0 must be whole percentages from 1 to 1000, each once.',
        'BUDGETS_FILE /budgets/0/webhook must be an http or https URL.',
        'BUDGETS_FILE /budgets/1 must have amount.',
        'BUDGETS_FILE /budgets/1/thresholds must be whole percentages from 1 to 1000, each once.',
      ].join('\n'),
    );
  });

  it.each([
    [
      'a zone that is none',
      GOOD.replace('Europe/Berlin', 'Mars/Base'),
      'timezone must be a time zone of the IANA database',
    ],
    ['an amount of nothing', GOOD.replace('1250.50', '0.00'), 'amount must be above zero'],
    [
      'a webhook that nothing signs',
      `${GOOD}    webhook: https://example.com/hook\n`,
      'needs BUDGET_WEBHOOK_SECRET',
    ],
    [
      'two of a kind',
      GOOD + GOOD.split('budgets:\n')[1],
      'must be the only budget of its organisation for a month',
    ],
    ['what is no YAML', 'version: [1', 'is no YAML in line'],
  ])('refuses %s', (_, text, mistake) => {
    expect(mistakesOf(text).join()).toContain(mistake);
  });

  it('must be there', () => {
    expect(() => open()).toThrow('BUDGETS_FILE must be the path of a readable file.');
  });

  it('is read again when it has changed, and stays in force as it was while it has mistakes', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const valid = async () => (await budgetFileValid.get()).values[0]?.value;
    write(GOOD);
    const file = open();
    write(GOOD.replace('1250.50', '99'));
    expect(file.all()[0]?.amount).toBe('99');
    write('version: 2');
    expect(file.all()[0]?.amount).toBe('99');
    expect(file.all()[0]?.amount).toBe('99');
    expect([error.mock.calls.length, await valid()]).toEqual([1, 0]);
    write(GOOD);
    expect([file.all()[0]?.amount, await valid()]).toEqual(['1250.50', 1]);
    rmSync(path);
    expect(file.all()[0]?.amount).toBe('1250.50');
    error.mockRestore();
  });
});
