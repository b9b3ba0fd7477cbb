/** Answers shown in the API's documentation. */
const window = {
  start: '2026-11-01T00:00:00.000Z',
  end: '2026-11-02T00:00:00.000Z',
  granularity: 'day',
  timezone: 'UTC',
};
const freshness = {
  dataThrough: '2026-11-23T17:42:11.000Z',
  lagSeconds: 0.4,
  status: 'fresh',
  final: true,
};
const bucket = { time: window.start, end: window.end, modelId: 'meta/llama-3-70b' };

const usage = {
  requests: 19_366,
  inputTokens: 22_361_870,
  cachedInputTokens: 1_204_224,
  outputTokens: 4_088_665,
  totalTokens: 26_450_535,
  cost: 28.5381255,
  costExact: '28.5381255',
};
const reliability = {
  requests: 19_366,
  successes: 19_102,
  errors: 201,
  timeouts: 40,
  throttled: 23,
  errorRate: 0.013632,
  latencyMeanMs: 1_204.553,
  latencyMaxMs: 59_871,
  p50Ms: 955.062,
  p95Ms: 3_152.011,
  p99Ms: 6_877.325,
};

export const usageExample = {
  json: {
    series: [{ ...bucket, ...usage }],
    totals: usage,
    currency: 'USD',
    window,
    freshness,
    nextCursor: null,
  },
  csv:
    'time,end,modelId,requests,inputTokens,cachedInputTokens,outputTokens,totalTokens,cost\r\n' +
    '2026-11-01T00:00:00.000Z,2026-11-02T00:00:00.000Z,meta/llama-3-70b,19366,22361870,1204224,4088665,26450535,28.5381255\r\n',
};

export const reliabilityExample = {
  json: { series: [{ ...bucket, ...reliability }], totals: reliability, window, freshness, nextCursor: null },
  csv:
    'time,end,modelId,requests,successes,errors,timeouts,throttled,errorRate,latencyMeanMs,latencyMaxMs,p50Ms,p95Ms,p99Ms\r\n' +
    '2026-11-01T00:00:00.000Z,2026-11-02T00:00:00.000Z,meta/llama-3-70b,19366,19102,201,40,23,0.013632,1204.553,59871,955.062,3152.011,6877.325\r\n',
};
