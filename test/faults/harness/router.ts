import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { pause } from '../../../src/cli/servers/server-program';
import type { Journal } from './journal';
import type { Message, Workload } from './workload';

const TICK_MS = 20;
/** No more messages than these are with the broker and not confirmed; the others wait. */
const MAX_UNCONFIRMED = 4_000;
/** A broker that confirms nothing for so long is left and asked again. */
const CONFIRM_TIMEOUT_MS = 4_000;
const CONNECT_TIMEOUT_MS = 4_000;

interface Sent {
  readonly sequence: number;
  readonly message: Message;
  readonly at: number;
}

/**
 * Sends the messages of a workload as the platform's router does, by the rules for publishers in docs/reliability.md:
 * persistent, mandatory, with confirms, and on another channel after the broker returned or refused a message. What was
 * not confirmed by then is sent again until it is.
 */
export class Router {
  private readonly waiting: Message[] = [];
  private readonly unconfirmed = new Map<number, Sent>();
  private sequence = 0;
  private rate = 0;
  private budget = 0;
  private ended = false;
  private running: Promise<void>;
  private blocked = false;

  constructor(
    private readonly amqpUrl: string,
    private readonly workload: Workload,
    private readonly journal: Journal,
  ) {
    this.running = this.run();
  }

  /** Messages of the workload a second from now on, as long as the broker takes them; 0 to rest. */
  flow(messagesPerSecond: number): void {
    this.rate = messagesPerSecond;
  }

  /** Sends these before the next ones of the workload. */
  send(messages: readonly Message[]): void {
    this.waiting.push(...messages);
  }

  /** So many messages of the workload at once. */
  burst(messages: number): void {
    this.send(Array.from({ length: messages }, () => this.workload.next()));
  }

  get isConfirmed(): boolean {
    return this.waiting.length === 0 && this.unconfirmed.size === 0;
  }

  /** Rests, and resolves when the broker has confirmed everything. Throws when it does not within the time. */
  async settled(withinMs = 120_000): Promise<void> {
    this.flow(0);
    const deadline = Date.now() + withinMs;
    while (!this.isConfirmed) {
      if (Date.now() > deadline) {
        const open = this.waiting.length + this.unconfirmed.size;
        throw new Error(`The broker has not confirmed ${open} messages within ${withinMs} ms.`);
      }
      await pause(TICK_MS);
    }
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      try {
        await this.session();
      } catch {
        // The broker is away; so is everything that it has not confirmed.
      }
      this.waiting.unshift(...[...this.unconfirmed.values()].map(({ message }) => message));
      this.unconfirmed.clear();
      if (!this.ended) await pause(100);
    }
  }

  private async session(): Promise<void> {
    const connecting = connect(this.amqpUrl, { timeout: CONNECT_TIMEOUT_MS });
    const connection = await patiently(connecting).catch((error: unknown) => {
      connecting.then(leave, () => undefined);
      throw error;
    });
    let open = true;
    this.blocked = false;
    const over = (): void => void (open = false);
    for (const event of ['error', 'close']) connection.on(event, over);
    connection.on('blocked', () => (this.blocked = true));
    connection.on('unblocked', () => (this.blocked = false));
    try {
      const channel = await patiently(connection.createConfirmChannel());
      for (const event of ['error', 'close']) channel.on(event, over);
      channel.on('return', over);
      let last = Date.now();
      while (open && !this.ended) {
        const now = Date.now();
        this.make(now - last);
        last = now;
        this.publish(channel, () => open, over);
        const [oldest] = this.unconfirmed.values();
        if (oldest && !this.blocked && now - oldest.at > CONFIRM_TIMEOUT_MS) return;
        await pause(TICK_MS);
      }
    } finally {
      open = false;
      leave(connection);
    }
  }

  private make(elapsedMs: number): void {
    this.budget = Math.min(this.budget + (this.rate * elapsedMs) / 1_000, this.rate);
    // A router that cannot send keeps its clients waiting: nothing occurs meanwhile.
    while (this.budget >= 1 && this.waiting.length + this.unconfirmed.size < MAX_UNCONFIRMED) {
      this.waiting.push(this.workload.next());
      this.budget -= 1;
    }
  }

  private publish(channel: ConfirmChannel, isOpen: () => boolean, over: () => void): void {
    if (this.blocked) return;
    const room = MAX_UNCONFIRMED - this.unconfirmed.size;
    const at = Date.now();
    const sent = this.waiting
      .splice(0, room)
      .map((message): Sent => ({ sequence: ++this.sequence, message, at }));
    for (const each of sent) this.unconfirmed.set(each.sequence, each);
    this.journal.attempts(sent);
    for (const each of sent) {
      const { message, sequence } = each;
      const options = { persistent: true, mandatory: true, messageId: String(sequence) };
      const body = Buffer.from(message.body);
      channel.publish('analytics.usage', `usage.${message.orgId}`, body, options, (error: unknown) => {
        if (!isOpen()) return;
        if (error) return over();
        this.unconfirmed.delete(sequence);
        this.journal.confirm(sequence);
      });
    }
  }
}

/** The same, or a failure when it takes too long. */
function patiently<Result>(work: Promise<Result>): Promise<Result> {
  work.catch(() => undefined);
  const late = pause(CONNECT_TIMEOUT_MS).then(() => {
    throw new Error('The broker does not answer.');
  });
  late.catch(() => undefined);
  return Promise.race([work, late]);
}

/** Closes it without waiting for a broker that may never answer. */
function leave(connection: ChannelModel): void {
  connection.on('error', () => undefined);
  connection.close().catch(() => undefined);
  const { stream } = connection.connection as unknown as { stream: { destroy(): void } };
  setTimeout(() => stream.destroy(), 500).unref();
}
