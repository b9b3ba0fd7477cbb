import { randomUUID } from 'node:crypto';
import type { StreamSource, UsageBatch } from '../../src/shared/messages/ingest-usage.command';
import { decodeUsageMessage } from '../../src/shared/usage-event/decode-usage-message';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';

export const ORG_A = 'a0000000-0000-4000-8000-00000000000a';
export const ORG_B = 'b0000000-0000-4000-8000-00000000000b';

/** A valid event of org A that occurred a minute ago, changed as asked. */
export function usageEvent(change: Partial<UsageEventPayload> = {}): UsageEventPayload {
  return {
    eventId: randomUUID(),
    orgId: ORG_A,
    modelId: 'meta/llama-3-70b',
    occurredAt: new Date(Date.now() - 60_000).toISOString(),
    status: 'success',
    latencyMs: 1_200,
    inputTokens: 374,
    outputTokens: 44,
    cost: '0.0012345',
    ...change,
  };
}

const RULES = { lateHorizon: 30 * 86_400_000, knownOrgs: null, maxMessageBytes: 1_048_576 };

/** One message an item, at consecutive offsets; Buffers are sent as they are, everything else as JSON. */
export function streamBatch(
  messages: readonly unknown[],
  {
    firstOffset = 0,
    epoch = 1,
    partition = 0,
    replay = false,
    receivedAt = new Date(),
    lateHorizon = RULES.lateHorizon,
  } = {},
): UsageBatch {
  const decoded = messages.map((message, index) =>
    decodeUsageMessage(
      Buffer.isBuffer(message) ? message : Buffer.from(JSON.stringify(message)),
      { ...RULES, lateHorizon },
      receivedAt.getTime(),
      firstOffset + index,
    ),
  );
  const source: StreamSource = {
    kind: 'stream',
    partition,
    epoch,
    incarnation: 1,
    firstOffset,
    lastOffset: firstOffset + messages.length - 1,
    lastMessageHash: Buffer.alloc(32, firstOffset),
    expectedOffset: firstOffset,
    replay,
  };
  return {
    source,
    receivedAt,
    messages: messages.length,
    events: decoded.flatMap(({ events }) => events),
    rejects: decoded.flatMap(({ rejects }) => rejects),
    unknownFields: decoded.reduce((sum, { unknownFields }) => sum + unknownFields, 0),
  };
}
