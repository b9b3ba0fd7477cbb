import { randomUUID } from 'node:crypto';
import type { UsageEventPayload } from '../../shared/usage-event/usage-event.schema';
import { seededRandom, uuidAt } from '../demo/seeded-random';

/** What the measured events look like; printed beside every figure. */
export interface LoadShape {
  readonly orgs: number;
  readonly models: number;
  readonly clients: number;
  /** `uuidv7` ids are time-ordered, `uuidv4` ids are random. */
  readonly ids: 'uuidv7' | 'uuidv4';
  /** Events occurred within this many seconds before they are made. */
  readonly spanSeconds: number;
  readonly seed: number;
}

export const STANDARD_LOAD: LoadShape = {
  orgs: 250,
  models: 40,
  clients: 5,
  ids: 'uuidv7',
  spanSeconds: 60,
  seed: 1,
};

/** Events of the shape, one after the other; organisations and models are used unevenly, as tenants are. */
export function* events(count: number, shape: LoadShape): Generator<UsageEventPayload> {
  const make = eventMaker(shape);
  const startedAt = Date.now();
  for (let n = 0; n < count; n += 1)
    yield make(startedAt - Math.floor((shape.spanSeconds * 1_000 * (count - n)) / count));
}

/** The same without end, each occurring when it is asked for. */
export function* liveEvents(shape: LoadShape): Generator<UsageEventPayload> {
  const make = eventMaker(shape);
  for (;;) yield make(Date.now());
}

function eventMaker(shape: LoadShape): (occurredAt: number) => UsageEventPayload {
  const random = seededRandom(shape.seed);
  const orgIds = Array.from({ length: shape.orgs }, (_, n) => orgIdOf(n));
  const below = (limit: number) => Math.floor(limit * random() ** 2);
  return (occurredAt) => {
    const outputTokens = 5 + below(800);
    return {
      eventId: shape.ids === 'uuidv7' ? uuidAt(occurredAt, random) : randomUUID(),
      orgId: orgIds[below(shape.orgs)] ?? '',
      modelId: `vendor/model-${below(shape.models)}`,
      occurredAt: new Date(occurredAt).toISOString(),
      status: random() < 0.02 ? 'error' : 'success',
      latencyMs: 50 + outputTokens * 20 + below(500),
      inputTokens: 40 + below(4_000),
      outputTokens,
      cost: `0.${String(below(10_000_000)).padStart(10, '0')}`,
      clientId: `client-${below(shape.clients)}`,
    };
  };
}

/** The n-th organisation of every load, so that data sets can be used again. */
export function orgIdOf(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}
