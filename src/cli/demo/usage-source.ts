import { readFileSync } from 'node:fs';
import type { UsageEventPayload } from '../../shared/usage-event/usage-event.schema';
import { seededRandom, uuidAt } from './seeded-random';

/** One call as a trace or the generator gives it; everything else of an event follows from it and the seed. */
interface Call {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

interface Model {
  readonly modelId: string;
  /** Share of the calls. */
  readonly share: number;
  /** Nanos (1e-9) of the currency per token. */
  readonly inputPrice: bigint;
  readonly outputPrice: bigint;
  readonly msPerOutputToken: number;
}

const MODELS: readonly Model[] = [
  { modelId: 'meta/llama-3-70b', share: 0.45, inputPrice: 590n, outputPrice: 790n, msPerOutputToken: 18 },
  { modelId: 'meta/llama-3-8b', share: 0.3, inputPrice: 50n, outputPrice: 80n, msPerOutputToken: 7 },
  {
    modelId: 'mistral/mixtral-8x22b',
    share: 0.15,
    inputPrice: 900n,
    outputPrice: 900n,
    msPerOutputToken: 24,
  },
  { modelId: 'qwen/qwen-2.5-72b', share: 0.1, inputPrice: 350n, outputPrice: 400n, msPerOutputToken: 21 },
];
const CLIENTS = ['web-app', 'batch-jobs', 'support-bot'];
const FAILURE_SHARE = 0.02;

/** Events of one organisation that end at `endsAt` (milliseconds since the epoch), in the order of their time. */
export interface UsageSource {
  readonly description: string;
  readonly events: readonly UsageEventPayload[];
}

/**
 * A trace with the columns TIMESTAMP, ContextTokens and GeneratedTokens, moved in time so that its last call is at
 * `endsAt`. Token counts are the trace's own; model, latency, cost and failures are drawn with the seed.
 */
export function readTrace(path: string, orgId: string, endsAt: number, seed: number): UsageSource {
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  if (header?.trim() !== 'TIMESTAMP,ContextTokens,GeneratedTokens') {
    throw new Error(`${path} must begin with the line TIMESTAMP,ContextTokens,GeneratedTokens`);
  }
  const calls = lines.map((line, index) => parseCall(line, `${path}:${index + 2}`));
  const last = calls.reduce((max, { at }) => Math.max(max, at), 0);
  const moved = calls.map((call) => ({ ...call, at: call.at - last + endsAt }));
  return { description: `the trace ${path}`, events: toEvents(moved, orgId, seed) };
}

/** Calls of six hours with a daily swell, drawn with the seed. */
export function generate(count: number, orgId: string, endsAt: number, seed: number): UsageSource {
  const random = seededRandom(seed);
  const spanMs = 6 * 3_600_000;
  const calls = Array.from({ length: count }, () => ({
    at: Math.floor(endsAt - spanMs * random() ** 1.3),
    inputTokens: Math.floor(40 + 4_000 * random() ** 3),
    outputTokens: Math.floor(5 + 600 * random() ** 2),
  })).sort((a, b) => a.at - b.at);
  return { description: `${count} generated calls (seed ${seed})`, events: toEvents(calls, orgId, seed + 1) };
}

function parseCall(line: string, place: string): Call {
  const [timestamp = '', input = '', output = ''] = line.split(',');
  const at = Date.parse(`${timestamp.trim().replace(' ', 'T')}Z`);
  const call = { at, inputTokens: Number(input), outputTokens: Number(output) };
  if (Object.values(call).every((value) => Number.isInteger(value) && value >= 0)) return call;
  throw new Error(`${place} must be a time and two token counts, for example 2023-11-16 18:15:46.68,374,44`);
}

function toEvents(calls: readonly Call[], orgId: string, seed: number): UsageEventPayload[] {
  const random = seededRandom(seed);
  return calls.map((call) => {
    const model = pickModel(random());
    const failed = random() < FAILURE_SHARE;
    const wait = 80 + call.inputTokens * 0.05;
    const latencyMs = Math.round(
      wait + call.outputTokens * model.msPerOutputToken * (0.7 + 0.9 * random() ** 4),
    );
    return {
      eventId: uuidAt(call.at, random),
      orgId,
      modelId: model.modelId,
      occurredAt: new Date(call.at).toISOString(),
      status: failed ? (random() < 0.5 ? 'error' : random() < 0.5 ? 'timeout' : 'throttled') : 'success',
      latencyMs,
      timeToFirstTokenMs: Math.min(latencyMs, Math.round(wait)),
      inputTokens: call.inputTokens,
      outputTokens: call.outputTokens,
      cost: costOf(call, model),
      clientId: CLIENTS[Math.floor(random() * CLIENTS.length)] ?? null,
      errorCode: failed ? 'upstream_error' : null,
    };
  });
}

function pickModel(draw: number): Model {
  let seen = 0;
  return MODELS.find(({ share }) => (seen += share) > draw) ?? (MODELS[0] as Model);
}

function costOf({ inputTokens, outputTokens }: Call, { inputPrice, outputPrice }: Model): string {
  const nanos = BigInt(inputTokens) * inputPrice + BigInt(outputTokens) * outputPrice;
  const digits = nanos.toString().padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
