import { hash } from 'node:crypto';
import Ajv, { type ErrorObject } from 'ajv';
import { fullFormats } from 'ajv-formats/dist/formats';
import { latencyBin } from '../latency-sketch';
import { canonicalCost } from './cost';
import { type QuarantineReason, type UsageEvent } from './usage-event';
import { type UsageEventPayload, usageEventSchema } from './usage-event.schema';

/** What an event is held against besides the schema. */
export interface AdmissionRules {
  /** Events that occurred more than this before now are `too_late`; milliseconds. */
  readonly lateHorizon: number;
  /** Organisations that may send; `null` admits all. Lower case. */
  readonly knownOrgs: ReadonlySet<string> | null;
}

/** Why an event is not admitted. A class, so that no payload can look like one. */
export class Refusal {
  constructor(
    readonly reason: QuarantineReason,
    /** A sentence that names the field and what is allowed. */
    readonly detail: string,
  ) {}
}

/** How far ahead of this service's clock a producer's clock may be. */
export const FUTURE_TOLERANCE_MS = 5 * 60_000;
const MAX_METADATA_BYTES = 4_096;
/** Of fields that the schema does not know. JSON is read to any depth and written to some 5,000 levels (Node.js 20). */
const MAX_LEVELS = 64;
/** 2026-01-01T00:00:00.000Z: an instant as `Date` writes it, and as it is stored. */
const ISO_LENGTH = 24;

const ajv = new Ajv({ allowUnionTypes: true, strictTypes: false });
// Checked below: most events write their instant as it is stored, which is found out in a third of the time.
ajv.addFormat('date-time', true);
const { validate: isDateTime } = fullFormats['date-time'] as { validate: (text: string) => boolean };
const matchesSchema = ajv.compile<UsageEventPayload>(usageEventSchema);
const knownFields = new Set<string>(Object.keys(usageEventSchema.properties));

/**
 * Validates and normalises one parsed event. `textChecked` says that no string of it can hold NUL or a lone
 * surrogate, which is so when its JSON has no `\u` escape. `now` in milliseconds since the epoch. `body` holds exactly
 * the event, or is `null`.
 */
export function admitUsageEvent(
  payload: unknown,
  rules: AdmissionRules,
  now: number,
  textChecked: boolean,
  body: Buffer | null,
): UsageEvent | Refusal {
  if (!matchesSchema(payload)) return violation(describe(matchesSchema.errors?.[0]));
  if (!textChecked && !isStorableText(payload)) {
    return violation('Text must be valid Unicode without NUL (\\u0000) and without lone surrogates.');
  }
  if (nestsDeeper(payload, MAX_LEVELS)) {
    return violation(`An event must not nest more than ${MAX_LEVELS} levels of objects and arrays.`);
  }
  const occurredAt = Date.parse(payload.occurredAt);
  const written = Number.isNaN(occurredAt) ? null : new Date(occurredAt).toISOString();
  if (written !== payload.occurredAt || written.length !== ISO_LENGTH) {
    if (!isDateTime(payload.occurredAt)) return violation('/occurredAt must match format "date-time".');
    if (written === null) return violation('/occurredAt must be an instant that exists.');
  }
  const cost = canonicalCost(payload.cost);
  if (cost === null) {
    return violation(
      '/cost must be 0 to 1e9 with at most 10 fractional digits, as a string beyond 15 digits.',
    );
  }
  const metadata = canonicalMetadata(payload.metadata);
  if (metadata !== null && Buffer.byteLength(metadata) > MAX_METADATA_BYTES) {
    return violation(`/metadata must be at most ${MAX_METADATA_BYTES} bytes as JSON.`);
  }
  const orgId = payload.orgId.toLowerCase();
  if (rules.knownOrgs !== null && !rules.knownOrgs.has(orgId)) {
    return new Refusal('unknown_org', '/orgId is not an organisation of this deployment.');
  }
  if (occurredAt > now + FUTURE_TOLERANCE_MS) {
    return new Refusal('in_future', '/occurredAt must be at most 5 minutes after now.');
  }
  if (occurredAt < now - rules.lateHorizon) {
    return new Refusal('too_late', '/occurredAt is before the late horizon of this deployment.');
  }
  const eventId = payload.eventId.toLowerCase();
  const copyLine = toCopyLine(payload, orgId, eventId, written, cost, metadata);
  return {
    orgId,
    eventId,
    occurredAt,
    copyLine,
    payloadHash: hash('sha256', copyLine, 'hex').slice(0, 32),
    unknownFields: countUnknownFields(payload),
    arrived: body ?? payload,
  };
}

function countUnknownFields(payload: object): number {
  let unknown = 0;
  for (const field in payload) if (!knownFields.has(field)) unknown += 1;
  return unknown;
}

function toCopyLine(
  event: UsageEventPayload,
  orgId: string,
  eventId: string,
  occurredAt: string,
  cost: string,
  metadata: string | null,
): string {
  return (
    `${occurredAt}\t${orgId}\t${eventId}\t${event.latencyMs}\t${event.inputTokens}\t` +
    `${event.outputTokens}\t${event.cachedInputTokens ?? '\\N'}\t${event.timeToFirstTokenMs ?? '\\N'}\t` +
    `${latencyBin(event.latencyMs)}\t${event.status}\t${cost}\t${copyText(event.modelId)}\t` +
    `${copyText(event.clientId ?? '')}\t${event.actorId ? copyText(event.actorId) : '\\N'}\t` +
    `${event.errorCode ? copyText(event.errorCode) : '\\N'}\t${metadata === null ? '\\N' : copyText(metadata)}`
  );
}

const COPY_SPECIAL = /[\\\t\n\r]/;
const COPY_ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Escapes a value for COPY's text format (PostgreSQL documentation, COPY, "Text Format"). */
function copyText(value: string): string {
  return COPY_SPECIAL.test(value)
    ? value.replace(/[\\\t\n\r]/g, (character) => COPY_ESCAPES[character] ?? character)
    : value;
}

/** Keys sorted, so that the same map always has the same text. */
function canonicalMetadata(metadata: UsageEventPayload['metadata']): string | null {
  if (!metadata) return null;
  const entries = Object.entries(metadata);
  if (entries.length === 0) return null;
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}

function isStorableText(payload: UsageEventPayload): boolean {
  const { modelId, clientId, actorId, errorCode, metadata } = payload;
  return [modelId, clientId, actorId, errorCode, ...Object.entries(metadata ?? {}).flat()].every(
    (text) => !text || (!text.includes('\u0000') && text.isWellFormed()),
  );
}

function nestsDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true;
  for (const field in value) {
    const inner = (value as Record<string, unknown>)[field];
    if (typeof inner === 'object' && inner !== null && nestsDeeper(inner, levels - 1)) return true;
  }
  return false;
}

function violation(detail: string): Refusal {
  // The detail may quote a key of the payload, which may hold what PostgreSQL cannot store.
  return new Refusal('schema_violation', detail.slice(0, 500).toWellFormed().replaceAll('\u0000', '\ufffd'));
}

function describe(error: ErrorObject | undefined): string {
  if (!error) return 'The event does not match the schema.';
  const allowed =
    error.keyword === 'enum' ? `: ${(error.params['allowedValues'] as string[]).join(', ')}` : '';
  return `${error.instancePath || 'The event'} ${error.message ?? 'is not allowed'}${allowed}.`;
}
