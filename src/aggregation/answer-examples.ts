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
  openGaps: 0,
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

const used = {
  requests: 19_366,
  cost: 28.5381255,
  costExact: '28.5381255',
  firstUsedOn: '2026-10-25',
  lastUsedOn: '2026-11-23',
};
const listed = {
  window: { ...window, start: '2026-10-24T00:00:00.000Z', end: '2026-11-24T00:00:00.000Z' },
  freshness,
  nextCursor: null,
};

export const modelsExample = {
  json: { items: [{ modelId: bucket.modelId, ...used }], ...listed },
  csv:
    'modelId,requests,cost,firstUsedOn,lastUsedOn\r\n' +
    'meta/llama-3-70b,19366,28.5381255,2026-10-25,2026-11-23\r\n',
};

export const clientsExample = {
  json: { items: [{ clientId: 'checkout-service', ...used }], ...listed },
  csv:
    'clientId,requests,cost,firstUsedOn,lastUsedOn\r\n' +
    'checkout-service,19366,28.5381255,2026-10-25,2026-11-23\r\n',
};

export const orgsExample = {
  json: { items: [{ orgId: 'a0000000-0000-4000-8000-00000000000a', ...used }], ...listed },
  csv:
    'orgId,requests,cost,firstUsedOn,lastUsedOn\r\n' +
    'a0000000-0000-4000-8000-00000000000a,19366,28.5381255,2026-10-25,2026-11-23\r\n',
};

const failure = {
  errorCode: 'overloaded',
  status: 'error',
  requests: 154,
  share: 0.583333,
  firstSeenAt: '2026-11-23T04:11:09.120Z',
  lastSeenAt: '2026-11-23T17:40:58.003Z',
};

export const errorsExample = {
  json: {
    items: [failure],
    totals: { requests: 264 },
    window: { ...window, granularity: 'minute' },
    freshness,
    nextCursor: null,
  },
  csv:
    'errorCode,status,requests,share,firstSeenAt,lastSeenAt\r\n' +
    'overloaded,error,154,0.583333,2026-11-23T04:11:09.120Z,2026-11-23T17:40:58.003Z\r\n',
};

const changes = {
  requestsPrevious: 18_000,
  requestsChange: 0.075889,
  totalTokensPrevious: 25_000_000,
  totalTokensChange: 0.058021,
  costPrevious: 27.1,
  costChange: 0.053067,
  errorRatePrevious: 0.012,
  errorRateChange: 0.136,
  latencyMeanMsPrevious: 1_210.5,
  latencyMeanMsChange: -0.004913,
  p95MsPrevious: 3_152.011,
  p95MsChange: 0,
};

export const summaryExample = {
  json: {
    series: [{ time: window.start, end: window.end, ...usage, ...reliability, ...changes }],
    currency: 'USD',
    previousWindow: { ...window, start: '2026-10-31T00:00:00.000Z', end: window.start },
    window,
    freshness,
    nextCursor: null,
  },
  csv:
    'time,end,requests,cost,errorRate,costPrevious,costChange\r\n' +
    '2026-11-01T00:00:00.000Z,2026-11-02T00:00:00.000Z,19366,28.5381255,0.013632,27.1,0.053067\r\n',
};
