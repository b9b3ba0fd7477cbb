import { isUtf8 } from 'node:buffer';
import { UUID } from '../uuid';
import {
  type PositionedEvent,
  type PositionedReject,
  type QuarantineReason,
  type RejectedEvent,
} from './usage-event';
import { type AdmissionRules, admitUsageEvent, Refusal } from './usage-event.validator';

/** At most this many events in one message. */
export const MAX_EVENTS_PER_MESSAGE = 5_000;
/** At most this much of a rejected payload is kept, in bytes. */
export const MAX_QUARANTINED_BYTES = 16_384;

export interface DecodeRules extends AdmissionRules {
  /** Larger bodies are `oversized`; bytes. */
  readonly maxMessageBytes: number;
}

/** What one message holds, in its order. */
export interface DecodedMessage {
  readonly events: readonly PositionedEvent[];
  readonly rejects: readonly PositionedReject[];
  /** Fields that the schema does not know, over all events of the message. */
  readonly unknownFields: number;
}

/**
 * Reads one message: a bare event, an array of events, or CloudEvents 1.0 with the event as `data` (structured, batch;
 * in binary mode the body is the bare event). Never throws: whatever cannot be stored is a reject with its reason,
 * and does not touch the other events of the message. `now` in milliseconds since the epoch.
 */
export function decodeUsageMessage(
  body: Buffer,
  rules: DecodeRules,
  now: number,
  offset: number | null,
): DecodedMessage {
  const decoder = new MessageDecoder(rules, now, offset);
  if (body.length > rules.maxMessageBytes) {
    return decoder.refuse(body, 'oversized', `A message must be at most ${rules.maxMessageBytes} bytes.`);
  }
  if (!isUtf8(body)) return decoder.refuse(body, 'not_json', 'A message must be valid UTF-8.');
  const text = body.toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return decoder.refuse(body, 'not_json', 'A message must be JSON.');
  }
  return decoder.decode(parsed, body, !text.includes('\\u'));
}

/** The same for an envelope that is parsed already, as in an HTTP request. */
export function decodeUsageEnvelope(parsed: unknown, rules: AdmissionRules, now: number): DecodedMessage {
  return new MessageDecoder(rules, now, null).decode(parsed, null, false);
}

class MessageDecoder implements DecodedMessage {
  readonly events: PositionedEvent[] = [];
  readonly rejects: PositionedReject[] = [];
  unknownFields = 0;
  /** The body, or `null` where only what it said has come. */
  private message: Buffer | null = null;

  constructor(
    private readonly rules: AdmissionRules,
    private readonly now: number,
    private readonly offset: number | null,
  ) {}

  decode(parsed: unknown, body: Buffer | null, textChecked: boolean): DecodedMessage {
    this.message = body;
    if (!Array.isArray(parsed)) {
      this.take(0, parsed, body, textChecked);
    } else if (parsed.length > MAX_EVENTS_PER_MESSAGE) {
      const detail = `A message must hold at most ${MAX_EVENTS_PER_MESSAGE} events.`;
      this.refuse(body ?? this.toBytes(parsed), 'oversized', detail);
    } else {
      for (let index = 0; index < parsed.length; index += 1)
        this.take(index, parsed[index], null, textChecked);
    }
    return this;
  }

  refuse(body: Buffer, reason: QuarantineReason, detail: string): DecodedMessage {
    this.reject(0, new Refusal(reason, detail), null, body);
    return this;
  }

  private take(index: number, item: unknown, body: Buffer | null, textChecked: boolean): void {
    const { payload, plain } = unwrapCloudEvent(item);
    const admitted =
      payload instanceof Refusal
        ? payload
        : admitUsageEvent(
            payload,
            this.rules,
            this.now,
            textChecked && plain,
            payload === item ? body : null,
          );
    if (admitted instanceof Refusal) {
      this.reject(index, admitted, payload, body ?? this.toBytes(item));
    } else {
      this.events.push({ offset: this.offset, index, event: admitted });
      this.unknownFields += admitted.unknownFields;
    }
  }

  private reject(index: number, refusal: Refusal, payload: unknown, body: Buffer): void {
    const fields = isObject(payload) ? payload : {};
    const occurredAt = typeof fields['occurredAt'] === 'string' ? Date.parse(fields['occurredAt']) : NaN;
    const reject: RejectedEvent = {
      reason: refusal.reason,
      detail: refusal.detail,
      orgId: uuidOrNull(fields['orgId']),
      eventId: uuidOrNull(fields['eventId']),
      occurredAt: isStorableInstant(occurredAt) ? occurredAt : null,
      payload: body.subarray(0, MAX_QUARANTINED_BYTES),
      payloadBytes: body.length,
    };
    this.rejects.push({ offset: this.offset, index, reject });
  }

  /** One item of the message as bytes; the message itself where the item nests too deeply to be written again. */
  private toBytes(item: unknown): Buffer {
    try {
      return Buffer.from(JSON.stringify(item) ?? 'null');
    } catch {
      return this.message ?? Buffer.from('null');
    }
  }
}

/**
 * The event inside a CloudEvent, or the item itself. A usage event has no `specversion`, so its presence tells a
 * CloudEvent (CloudEvents 1.0.2, 3.1). `plain` is false when the text of `data_base64` was not seen yet.
 */
function unwrapCloudEvent(item: unknown): { payload: unknown; plain: boolean } {
  if (!isObject(item) || !('specversion' in item)) return { payload: item, plain: true };
  if (item['specversion'] !== '1.0') {
    return { payload: new Refusal('schema_violation', '/specversion must be 1.0.'), plain: true };
  }
  if (typeof item['data_base64'] !== 'string') return { payload: item['data'], plain: true };
  try {
    const data = Buffer.from(item['data_base64'], 'base64');
    if (isUtf8(data)) return { payload: JSON.parse(data.toString('utf8')), plain: false };
  } catch {
    // Refused below.
  }
  return { payload: new Refusal('not_json', '/data_base64 must be JSON in UTF-8.'), plain: true };
}

function uuidOrNull(value: unknown): string | null {
  return typeof value === 'string' && UUID.test(value) ? value.toLowerCase() : null;
}

/** Years 1 to 9999, which both PostgreSQL and ISO 8601 can write. (`Date.UTC` takes the year 1 for 1901.) */
const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

function isStorableInstant(ms: number): boolean {
  return ms >= FIRST_INSTANT && ms <= LAST_INSTANT;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
