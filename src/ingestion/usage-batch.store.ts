import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { Config } from '../platform/config/config';
import { DAY_MS, startOfBucket } from '../platform/database/bucket-windows';
import { copyRows } from '../platform/database/copy-rows';
import { sql, sqlOver } from '../platform/database/sql';
import { PartitionLostError, type UsageBatch } from '../shared/messages/ingest-usage.command';
import { MAX_QUARANTINED_BYTES } from '../shared/usage-event/decode-usage-message';
import {
  arrivedBytes,
  type PositionedEvent,
  type PositionedReject,
  type UsageEvent,
} from '../shared/usage-event/usage-event';
import type { BatchOutcomes } from './batch-outcomes';
import type { BatchLedger } from './batch-ledger';
import { eventRows, type PreparedBatch } from './prepared-batch';
import { findUnstorable } from './unstorable-events';

/** Rows of a quarantine insert, so that a storm of 16 KiB payloads does not become one statement of 80 MB. */
const QUARANTINE_SLICE = 200;

const advanceCursor = sql('ingestion/advance-cursor');
const holdCursor = sql('ingestion/hold-cursor');
const holdAllCursors = sql('ingestion/hold-all-cursors');
const touchDirectCursor = sql('ingestion/touch-direct-cursor');
const lockDayOfArrival = sql('ingestion/lock-day-of-arrival');
const holdWatermark = sql('ingestion/hold-watermark');
const findKnownKeys = sql('ingestion/find-known-keys');
const copyKeys = sql('ingestion/copy-usage-event-keys');
const findStoredEvents = sql('ingestion/find-stored-events');
const copyUsageEvents = sqlOver('ingestion/copy-usage-events', [
  'usage_events',
  'usage_events_probe',
  'late_usage_events',
]);
const createLateEvents = sql('ingestion/create-late-events');
const storeLateEvents = sql('ingestion/store-late-events');
const createProbe = sql('ingestion/create-probe');
const storeQuarantined = sql('ingestion/store-quarantined-events');
const addToLedger = sql('ingestion/add-to-ledger');
const noteDirtyWindows = sql('ingestion/note-dirty-windows');
const recordBatch = sql('ingestion/record-batch');

/**
 * The statements of the ingestion transaction, one method each; the order is the handler's. Each is sent when its
 * method is called, so that those that need no answer of each other go out together.
 */
@Injectable()
export class UsageBatchStore {
  constructor(private readonly config: Config) {}

  /** Locks the partition's cursor and moves it behind the batch. Throws `PartitionLostError` when it is not ours. */
  async takeCursor(client: PoolClient, { source, events }: UsageBatch): Promise<void> {
    if (source.kind === 'repair') {
      await client.query(holdAllCursors);
      return;
    }
    if (source.kind === 'direct') {
      await client.query(touchDirectCursor);
      return;
    }
    const latest = events.reduce((max, { event }) => Math.max(max, event.occurredAt), -Infinity);
    const { rowCount } = source.replay
      ? await client.query({ ...holdCursor, values: [source.partition, source.epoch] })
      : await client.query({
          ...advanceCursor,
          values: [
            source.partition,
            source.epoch,
            source.expectedOffset,
            source.lastOffset + 1,
            source.lastMessageHash,
            latest === -Infinity ? null : new Date(latest),
          ],
        });
    if (rowCount !== 1) throw new PartitionLostError(source.partition);
  }

  /** Waits until no batch that arrived on another day is open; none can begin before this one ends. */
  async lockDayOfArrival(client: PoolClient, receivedAt: Date): Promise<void> {
    await client.query({ ...lockDayOfArrival, values: [startOfBucket(receivedAt, DAY_MS)] });
  }

  /** The rollups' watermark and the beginning of raw data, unchanged until the transaction ends. */
  async holdWatermark(client: PoolClient): Promise<{ watermark: number; rawFrom: number }> {
    const { rows } = await client.query<{ watermark_ms: number; raw_from_ms: number }>(holdWatermark);
    return { watermark: rows[0]?.watermark_ms ?? -Infinity, rawFrom: rows[0]?.raw_from_ms ?? -Infinity };
  }

  /** The payload hash of each identity that was claimed within the dedupe window, by place. */
  async findKnown(
    client: PoolClient,
    { lookUp }: PreparedBatch,
    receivedAt: Date,
  ): Promise<Map<number, string>> {
    const { rows } = await client.query<{ index: number; stored_payload_hash: string }>({
      ...findKnownKeys,
      values: [
        ...lookUp,
        startOfBucket(receivedAt, DAY_MS),
        startOfBucket(new Date(receivedAt.getTime() - this.config.dedupeWindow), DAY_MS),
      ],
    });
    return new Map(rows.map((row) => [row.index, row.stored_payload_hash]));
  }

  /** Claims the identities that are not known; each is that of its first event. */
  async claimKeys(
    client: PoolClient,
    prepared: PreparedBatch,
    known: ReadonlyMap<number, string>,
    receivedAt: Date,
  ): Promise<void> {
    const day = startOfBucket(receivedAt, DAY_MS);
    const claimed = prepared.firsts.filter((_, place) => !known.has(place));
    if (claimed.length === 0) return;
    await copyRows(client, copyKeys, prepared.keyRows(claimed, day));
  }

  /** Places of identities that stand in the table although their keys have expired. */
  async findStored(client: PoolClient, { firsts }: PreparedBatch): Promise<Set<number>> {
    const { rows } = await client.query<{ index: number }>({
      ...findStoredEvents,
      values: [
        firsts.map(({ orgId }) => orgId),
        firsts.map(({ eventId }) => eventId),
        firsts.map(({ occurredAt }) => new Date(occurredAt)),
      ],
    });
    return new Set(rows.map(({ index }) => index));
  }

  /** Those of days that cannot be compressed by COPY, the others by a way that compressed days bear. */
  async copyEvents(
    client: PoolClient,
    events: readonly UsageEvent[],
    receivedAt: Date,
    prepared: PreparedBatch,
  ): Promise<void> {
    const uncompressedFrom = receivedAt.getTime() - Math.min(this.config.compressAfter, DAY_MS);
    const late = events.filter(({ occurredAt }) => occurredAt < uncompressedFrom);
    const recent =
      late.length === 0 ? events : events.filter(({ occurredAt }) => occurredAt >= uncompressedFrom);
    await Promise.all([
      recent.length > 0 && copyRows(client, copyUsageEvents.over('usage_events'), prepared.eventRows(recent)),
      ...(late.length > 0
        ? [
            client.query(createLateEvents),
            copyRows(client, copyUsageEvents.over('late_usage_events'), prepared.eventRows(late)),
            client.query(storeLateEvents.text),
          ]
        : []),
    ]);
  }

  /** The events that the database refuses to store whatever else it holds; the transaction is to be thrown away. */
  async findUnstorable(
    client: PoolClient,
    events: readonly PositionedEvent[],
  ): Promise<readonly PositionedReject[]> {
    await client.query(createProbe);
    return findUnstorable(client, events, (part) =>
      copyRows(client, copyUsageEvents.over('usage_events_probe'), eventRows(part.map(({ event }) => event))),
    );
  }

  /** Keeps rejects and conflicts; answers the positions of those that were not kept by an earlier reading. */
  async quarantine(
    client: PoolClient,
    { source, rejects }: UsageBatch,
    conflicts: BatchOutcomes['conflicts'],
  ): Promise<Set<string>> {
    const kept = new Set<string>();
    const rows = [...rejects.map(rejectRow), ...conflicts.map(conflictRow)];
    const [partition, incarnation] =
      source.kind === 'stream' ? [source.partition, source.incarnation] : [0, 0];
    for (let start = 0; start < rows.length; start += QUARANTINE_SLICE) {
      const slice = JSON.stringify(rows.slice(start, start + QUARANTINE_SLICE));
      const { rows: added } = await client.query<{ stream_offset: string | null; position: number }>({
        ...storeQuarantined,
        values: [partition, incarnation, slice],
      });
      for (const { stream_offset, position } of added) kept.add(positionKey(stream_offset, position));
    }
    return kept;
  }

  async writeLedger(
    client: PoolClient,
    { source, messages, unknownFields }: UsageBatch,
    ledger: BatchLedger,
  ): Promise<void> {
    const sent: Promise<unknown>[] = [];
    if (!ledger.isEmpty) sent.push(client.query({ ...addToLedger, values: ledger.ledgerColumns() }));
    const dirty = ledger.dirtyColumns();
    if (dirty) sent.push(client.query({ ...noteDirtyWindows, values: dirty }));
    const { stored, duplicate, conflict, quarantined } = ledger.totals;
    const recorded = client.query({
      ...recordBatch,
      values: [
        ...(source.kind === 'stream'
          ? [
              source.partition,
              source.epoch,
              source.replay ? 'replay' : 'stream',
              source.firstOffset,
              source.lastOffset,
            ]
          : [0, 0, source.kind, null, null]),
        messages,
        stored,
        duplicate,
        conflict,
        quarantined,
        unknownFields,
        ledger.late,
      ],
    });
    await Promise.all([...sent, recorded]);
  }
}

/** One text for the place of an event, whichever type its offset has. */
export function positionKey(offset: number | string | null, index: number): string {
  return `${offset ?? ''}/${index}`;
}

function rejectRow({ offset, index, reject }: PositionedReject) {
  return {
    stream_offset: offset,
    position: index,
    reason: reject.reason,
    detail: reject.detail,
    org_id: reject.orgId,
    event_id: reject.eventId,
    occurred_at: reject.occurredAt === null ? null : new Date(reject.occurredAt),
    payload: reject.payload.toString('base64'),
    payload_bytes: reject.payloadBytes,
    payload_hash: null,
    stored_payload_hash: null,
  };
}

function conflictRow({ offset, index, event, storedPayloadHash }: BatchOutcomes['conflicts'][number]) {
  const payload = arrivedBytes(event);
  return {
    stream_offset: offset,
    position: index,
    reason: 'conflict',
    detail: 'An event with this identity and another payload was stored first.',
    org_id: event.orgId,
    event_id: event.eventId,
    occurred_at: new Date(event.occurredAt),
    payload: payload.subarray(0, MAX_QUARANTINED_BYTES).toString('base64'),
    payload_bytes: payload.length,
    payload_hash: event.payloadHash,
    stored_payload_hash: storedPayloadHash,
  };
}
