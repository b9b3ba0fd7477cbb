import { addUp, type Counts } from './series-cells';

const counts = (change: Partial<Counts>): Counts => ({
  requests: '1',
  successes: '1',
  errors: '0',
  timeouts: '0',
  throttled: '0',
  inputTokens: '10',
  cachedInputTokens: '0',
  outputTokens: '20',
  cost: '0.1',
  latencySumMs: '5',
  latencyMaxMs: 5,
  ...change,
});

describe('counts that are added up', () => {
  it('are exact beyond what a number holds', () => {
    const sum = addUp([
      counts({ inputTokens: '9007199254740993', cost: '12345678901234567890.0000000001', latencyMaxMs: 7 }),
      counts({ inputTokens: '9007199254740993', cost: '0.2', latencyMaxMs: null }),
    ]);
    expect(sum).toEqual(
      counts({
        requests: '2',
        successes: '2',
        inputTokens: '18014398509481986',
        outputTokens: '40',
        cost: '12345678901234567890.2000000001',
        latencySumMs: '10',
        latencyMaxMs: 7,
      }),
    );
  });

  it('are zero without any, with no latency', () => {
    expect(addUp([])).toMatchObject({ requests: '0', cost: '0', latencyMaxMs: null });
  });
});
