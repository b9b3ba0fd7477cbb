import { UUID_PATTERN } from '../uuid';
import { USAGE_STATUSES } from './usage-event';

const INT32_MAX = 2_147_483_647;

/**
 * The usage event, version 1: the single source for the stream, the HTTP endpoints and the OpenAPI document. Unknown
 * fields are allowed, so that producers can move first. An optional field that is null counts as absent.
 */
export const usageEventSchema = {
  $id: 'UsageEvent',
  title: 'UsageEvent',
  description: 'One inference call, as the router reports it.',
  type: 'object',
  required: [
    'eventId',
    'orgId',
    'modelId',
    'occurredAt',
    'status',
    'latencyMs',
    'inputTokens',
    'outputTokens',
  ],
  properties: {
    eventId: {
      type: 'string',
      pattern: UUID_PATTERN,
      description: 'Identity of the event, together with orgId. UUIDv7 is the fastest to store.',
    },
    orgId: { type: 'string', pattern: UUID_PATTERN, description: 'The organisation (tenant).' },
    modelId: { type: 'string', minLength: 1, maxLength: 200, description: 'Model or endpoint.' },
    occurredAt: {
      type: 'string',
      format: 'date-time',
      description: 'RFC 3339 with offset; kept to the millisecond. At most 5 minutes ahead.',
    },
    status: { type: 'string', enum: USAGE_STATUSES },
    latencyMs: { type: 'integer', minimum: 0, maximum: 86_400_000, description: 'End to end, milliseconds.' },
    inputTokens: { type: 'integer', minimum: 0, maximum: INT32_MAX },
    outputTokens: { type: 'integer', minimum: 0, maximum: INT32_MAX },
    cost: {
      description:
        'In the currency of the deployment, 0 to 1e9 with at most 10 fractional digits; 0 when absent. ' +
        'A JSON number carries at most 15 significant digits exactly: send longer amounts as a string.',
      anyOf: [
        { type: 'string', pattern: '^[0-9]{1,10}(\\.[0-9]{1,10})?$' },
        { type: 'number', minimum: 0, maximum: 1_000_000_000 },
        { type: 'null' },
      ],
    },
    clientId: { type: ['string', 'null'], maxLength: 200, description: 'API key or application.' },
    actorId: { type: ['string', 'null'], maxLength: 200, description: 'User.' },
    errorCode: { type: ['string', 'null'], maxLength: 100 },
    cachedInputTokens: { type: ['integer', 'null'], minimum: 0, maximum: INT32_MAX },
    timeToFirstTokenMs: { type: ['integer', 'null'], minimum: 0, maximum: 86_400_000 },
    metadata: {
      type: ['object', 'null'],
      maxProperties: 32,
      additionalProperties: { type: 'string' },
      description: 'Flat map of strings, at most 32 keys and 4 KiB as JSON.',
    },
  },
} as const;

/** An event whose shape the schema has confirmed. */
export interface UsageEventPayload {
  readonly eventId: string;
  readonly orgId: string;
  readonly modelId: string;
  readonly occurredAt: string;
  readonly status: (typeof USAGE_STATUSES)[number];
  readonly latencyMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost?: string | number | null;
  readonly clientId?: string | null;
  readonly actorId?: string | null;
  readonly errorCode?: string | null;
  readonly cachedInputTokens?: number | null;
  readonly timeToFirstTokenMs?: number | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
}
