/** How the inference call ended. */
export const USAGE_STATUSES = ['success', 'error', 'timeout', 'throttled'] as const;
export type UsageStatus = (typeof USAGE_STATUSES)[number];

/**
 * One inference call, validated and normalised: ids in lower case, time to the millisecond, cost as a plain decimal,
 * everything ready to be stored. Two events with the same identity are the same event exactly when their
 * `payloadHash` is equal.
 */
export interface UsageEvent {
  readonly orgId: string;
  readonly eventId: string;
  /** Milliseconds since the epoch, UTC. */
  readonly occurredAt: number;
  /** The columns of `usage_events` behind `received_at`, as one line of PostgreSQL's COPY text format. */
  readonly copyColumns: string;
  /** The first 16 bytes of the SHA-256 of occurredAt and copyColumns. */
  readonly payloadHash: Buffer;
}

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
