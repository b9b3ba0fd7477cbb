import { EventEmitter } from 'node:events';
import type { ConsumeMessage } from 'amqplib';
import type { OwnedCursor } from '../../src/ingestion/partition-leases';
import { type SessionEnd, type SessionSettings, StreamSession } from '../../src/ingestion/stream-session';
import type { IngestResult, StreamSource, UsageBatch } from '../../src/shared/messages/ingest-usage.command';
import { usageEvent } from './usage-events';

const CURSOR: OwnedCursor = { partition: 0, epoch: 3, nextOffset: 0, lastMessageHash: null, incarnation: 1, committedAt: null, dataThrough: null }; // prettier-ignore
const SETTINGS: SessionSettings = {
  stream: 'analytics.usage.v1',
  batchSize: 100,
  batchMaxWaitMs: 200,
  bufferBytes: 1_000_000,
  prefetch: 300,
  smallMessageBytes: 0,
  decodeRules: { lateHorizon: 86_400_000, knownOrgs: null, maxMessageBytes: 1_000_000 },
};

/** The broker's side of a channel: delivers what the test says and remembers what it is told. */
export class FakeChannel extends EventEmitter {
  readonly told: unknown[] = [];
  /** Delivery tags, in the order of their acknowledgements; 'up to' where one stands for all below. */
  readonly acks: (number | `up to ${number}`)[] = [];
  private deliveryTag = 0;
  private onMessage: (message: ConsumeMessage | null) => void = () => undefined;

  prefetch = (count: number) => Promise.resolve(void this.told.push({ prefetch: count }));

  consume(queue: string, onMessage: (message: ConsumeMessage | null) => void, options: object) {
    this.onMessage = onMessage;
    return Promise.resolve(void this.told.push({ queue, ...options }));
  }

  ack({ fields: { deliveryTag } }: ConsumeMessage, allUpTo = false): void {
    this.acks.push(allUpTo ? `up to ${deliveryTag}` : deliveryTag);
  }

  close(): Promise<void> {
    this.emit('close');
    return Promise.resolve();
  }

  deliver(offset: number, content: Buffer = Buffer.from(JSON.stringify(usageEvent()))): void {
    this.deliveryTag += 1;
    this.onMessage({
      content,
      fields: { deliveryTag: this.deliveryTag },
      properties: { headers: { 'x-stream-offset': offset } },
    } as unknown as ConsumeMessage);
  }

  cancel(): void {
    this.onMessage(null);
  }
}

/** A commit that the test lets succeed or fail. */
export interface HeldCommit {
  readonly batch: UsageBatch;
  readonly source: StreamSource;
  succeed(): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** Lets everything happen that waits for no timer. The timers must be Jest's. */
const settled = () => jest.advanceTimersByTimeAsync(0);

/** A session whose broker and whose commits are in the hands of the test. */
export class SessionTrial {
  readonly channel = new FakeChannel();
  readonly commits: HeldCommit[] = [];
  /** What the broker says when it is asked for its oldest message. */
  oldestOffset: () => Promise<number | undefined> = () => Promise.resolve(0);

  /** `onDecode` is called for each message that is decoded. */
  async open(
    cursor: Partial<OwnedCursor> = {},
    settings: Partial<SessionSettings> = {},
    onDecode: () => void = () => undefined,
  ): Promise<StreamSession> {
    const { decodeRules } = SETTINGS;
    const watched = Object.defineProperty({ ...decodeRules }, 'maxMessageBytes', {
      get: () => (onDecode(), decodeRules.maxMessageBytes),
    });
    const session = new StreamSession(
      this.channel,
      { ...CURSOR, ...cursor },
      { ...SETTINGS, decodeRules: watched, ...settings },
      (batch) => this.hold(batch),
      () => this.oldestOffset(),
    );
    await session.start();
    return session;
  }

  /** The commit with that number, from 1, if it has begun. */
  async commit(number: number): Promise<HeldCommit> {
    await settled();
    const held = this.commits[number - 1];
    if (!held) throw new Error(`There were ${this.commits.length} commits.`);
    return held;
  }

  /** Events, good or bad, of each commit that has begun. */
  async sizes(): Promise<number[]> {
    await settled();
    return this.commits.map(({ batch }) => batch.events.length + batch.rejects.length);
  }

  /** How the session has ended so far. */
  async endOf(session: StreamSession): Promise<SessionEnd | 'running'> {
    return Promise.race([session.ended, settled().then(() => 'running' as const)]);
  }

  private hold(batch: UsageBatch): Promise<IngestResult> {
    return new Promise((resolve, reject) => {
      this.commits.push({
        batch,
        source: batch.source as StreamSource,
        succeed: () => (resolve({} as IngestResult), settled()),
        fail: (error) => (reject(error), settled()),
      });
    });
  }
}
