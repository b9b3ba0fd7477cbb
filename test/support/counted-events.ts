import type { Pool } from 'pg';
import { seededRandom, uuidAt } from '../../src/cli/demo/seeded-random';
import { latencyBin } from '../../src/shared/latency-sketch';

export type Status = 'success' | 'error' | 'timeout' | 'throttled';

/** An event as `usage_events` holds it, for tests that count by themselves what the service counts. */
export interface CountedEvent {
  readonly occurredAt: number;
  readonly eventId: string;
  readonly orgId: string;
  readonly modelId: string;
  readonly clientId: string;
  readonly status: Status;
  readonly errorCode: string | null;
  readonly latencyMs: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number | null;
  readonly outputTokens: number;
  /** In units of 1e-10 of the currency. */
  readonly costUnits: bigint;
}

export interface EventsShape {
  readonly orgIds: readonly string[];
  readonly models: readonly string[];
  readonly clients: readonly string[];
  readonly count: number;
  readonly from: number;
  readonly to: number;
  readonly seed: number;
}

const STATUSES: readonly Status[] = [
  'success',
  'success',
  'success',
  'success',
  'error',
  'timeout',
  'throttled',
];

/** Events from a seed: evenly over the time, unevenly over everything else. */
export function randomEvents({
  orgIds,
  models,
  clients,
  count,
  from,
  to,
  seed,
}: EventsShape): CountedEvent[] {
  const random = seededRandom(seed);
  const pick = <Value>(values: readonly Value[]): Value => {
    // The first ones are picked more often.
    return values[Math.floor(random() ** 2 * values.length)] as Value;
  };
  return Array.from({ length: count }, () => {
    const status = pick(STATUSES);
    const input = Math.floor(random() * 4_000);
    const occurredAt = from + Math.floor(random() * (to - from));
    return {
      occurredAt,
      eventId: uuidAt(occurredAt, random),
      orgId: pick(orgIds),
      modelId: pick(models),
      clientId: pick(clients),
      status,
      errorCode:
        status === 'error' && random() < 0.8 ? pick(['rate_limit', 'overloaded', 'bad_request']) : null,
      latencyMs: Math.floor(Math.exp(random() * 10)),
      inputTokens: input,
      cachedInputTokens: random() < 0.3 ? Math.floor(input / 2) : null,
      outputTokens: Math.floor(random() * 900),
      costUnits: BigInt(Math.floor(random() * 1e12)),
    };
  });
}

/** The exact decimal of an amount in units of 1e-10, without trailing zeros. */
export function costText(units: bigint): string {
  const digits = units.toString().padStart(11, '0');
  return `${digits.slice(0, -10)}.${digits.slice(-10)}`.replace(/\.?0+$/, '');
}

/** Stores events as a batch would, without its cursor, keys and ledger. */
export async function storeEvents(pool: Pool, events: readonly CountedEvent[]): Promise<void> {
  for (let start = 0; start < events.length; start += 5_000) {
    const rows = events.slice(start, start + 5_000).map((event) => ({
      occurred_at: new Date(event.occurredAt).toISOString(),
      org_id: event.orgId,
      event_id: event.eventId,
      latency_ms: event.latencyMs,
      latency_bin: latencyBin(event.latencyMs),
      input_tokens: event.inputTokens,
      cached_input_tokens: event.cachedInputTokens,
      output_tokens: event.outputTokens,
      status: event.status,
      cost: costText(event.costUnits),
      model_id: event.modelId,
      client_id: event.clientId,
      error_code: event.errorCode,
    }));
    const columns = Object.keys(rows[0] ?? {}).join(', ');
    await pool.query(
      `insert into usage_events (${columns}) select ${columns} from jsonb_populate_recordset(null::usage_events, $1::jsonb)`,
      [JSON.stringify(rows)],
    );
  }
}
