import {
  isConnectionError,
  isDataError,
  isMissingPartition,
  isStatementTimeout,
  isTransient,
  sqlState,
} from './postgres-errors';

const serverError = (code: string, fields: object = {}): Error =>
  Object.assign(new Error('text nobody reads'), { code, severity: 'ERROR', ...fields });

describe('classification of PostgreSQL failures', () => {
  it.each([
    '40001',
    '40P01',
    '08006',
    '53100',
    '53300',
    '57P01',
    '57P03',
    '55P03',
    '58030',
    '25006',
    '57014',
  ])('retries %s and quarantines nothing', (code) => {
    expect(isTransient(serverError(code))).toBe(true);
    expect(isDataError(serverError(code))).toBe(false);
  });

  it.each(['22001', '22021', '22P02', '23502', '23505', '23514'])(
    'takes %s for bad data, never retries it',
    (code) => {
      expect(isDataError(serverError(code))).toBe(true);
      expect(isTransient(serverError(code))).toBe(false);
    },
  );

  it('tells a missing partition from a violated check', () => {
    const noPartition = serverError('23514', { routine: 'ExecFindPartition', table: 'usage_events' });
    const violated = serverError('23514', { routine: 'ExecConstraints', constraint: 'ledger_adds_up' });
    expect([noPartition, violated].map(isMissingPartition)).toEqual([true, false]);
    expect([noPartition, violated].map(isDataError)).toEqual([false, true]);
  });

  it('retries when the server cannot be reached, whichever of its addresses was tried', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(isTransient(refused)).toBe(true);
    expect(isTransient(new AggregateError([refused]))).toBe(true);
    expect(isTransient(new Error('could not store', { cause: refused }))).toBe(true);
  });

  it('looks through the wrapper that TypeORM puts around a failure', () => {
    const wrapped = Object.assign(new Error('query failed'), { driverError: serverError('40001') });
    expect(sqlState(wrapped)).toBe('40001');
    expect(isTransient(wrapped)).toBe(true);
  });

  it('takes a code of the operating system for no SQLSTATE even when it looks like one', () => {
    const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    expect(sqlState(broken)).toBeUndefined();
    expect(isConnectionError(broken)).toBe(true);
  });

  it('recognises a statement timeout', () => {
    expect(isStatementTimeout(serverError('57014'))).toBe(true);
    expect(isStatementTimeout(serverError('22001'))).toBe(false);
  });

  it.each([undefined, null, 'text', new Error('a bug'), new TypeError('x is undefined')])(
    'takes %p for neither, so that a mistake in the code is not retried for ever',
    (error) => {
      expect([isTransient(error), isDataError(error), isConnectionError(error)]).toEqual([
        false,
        false,
        false,
      ]);
    },
  );
});
