/** How the inference call ended. */
export const USAGE_STATUSES = ['success', 'error', 'timeout', 'throttled'] as const;
export type UsageStatus = (typeof USAGE_STATUSES)[number];

/** One inference call, validated and normalised: ready to be stored. */
export interface UsageEvent {
  /** Lower case, as `eventId`: together they are the event's identity. */
  readonly orgId: string;
  readonly eventId: string;
  /** Milliseconds since the epoch, UTC; finer digits are cut off. */
  readonly occurredAt: number;
  /** The event as one line of PostgreSQL's COPY text format, in the order of `COPY_COLUMNS`, without line end. */
  readonly copyLine: string;
  /**
   * The first 16 bytes of the SHA-256 of `copyLine`, in hexadecimal. Two events of one identity are the same event
   * exactly when it is equal, however their JSON was written.
   */
  readonly payloadHash: string;
  /** How many of its fields the schema does not know; they are ignored. */
  readonly unknownFields: number;
  /**
   * What arrived, for the quarantine row of a conflict: the body of its message where it is the whole of it, which
   * costs nothing to keep, otherwise parsed.
   */
  readonly arrived: Buffer | object;
}

/** What arrived as an event, as JSON. */
export function arrivedBytes({ arrived }: UsageEvent): Buffer {
  return Buffer.isBuffer(arrived) ? arrived : Buffer.from(JSON.stringify(arrived));
}

/** The columns of `usage_events` that an event fills; `received_at` comes from the batch. */
export const COPY_COLUMNS = [
  'occurred_at',
  'org_id',
  'event_id',
  'latency_ms',
  'input_tokens',
  'output_tokens',
  'cached_input_tokens',
  'time_to_first_token_ms',
  'latency_bin',
  'status',
  'cost',
  'model_id',
  'client_id',
  'actor_id',
  'error_code',
  'metadata',
] as const;

/** Why an event was not stored; the values of `quarantined_events.reason`. */
export const QUARANTINE_REASONS = [
  'not_json',
  'schema_violation',
  'unknown_org',
  'in_future',
  'too_late',
  'oversized',
  'conflict',
  'unstorable',
] as const;
export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

/** An event that cannot be stored, with as much of its identity as could be read. */
export interface RejectedEvent {
  readonly reason: QuarantineReason;
  /** A sentence that names the field and what is allowed. */
  readonly detail: string;
  readonly orgId: string | null;
  readonly eventId: string | null;
  /** Milliseconds since the epoch, UTC. */
  readonly occurredAt: number | null;
  /** At most 16 KiB of what arrived. */
  readonly payload: Buffer;
  /** Size of what arrived, in bytes. */
  readonly payloadBytes: number;
}

/** An event with its place: `offset` of its message in the stream (null over HTTP), `index` within the message. */
export interface PositionedEvent {
  readonly offset: number | null;
  readonly index: number;
  readonly event: UsageEvent;
}

export interface PositionedReject {
  readonly offset: number | null;
  readonly index: number;
  readonly reject: RejectedEvent;
}
