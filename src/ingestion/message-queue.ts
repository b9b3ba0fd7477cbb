import type { StreamMessage } from '../platform/messaging/stream-channel';

/** Compacted when this many places at its front are free and they are half of it: amortised, no message is kept. */
const COMPACT_FROM = 1_024;

/** Messages that arrived and are not decoded yet, first in first out. */
export class MessageQueue {
  private messages: (StreamMessage | undefined)[] = [];
  private arrivals: number[] = [];
  private head = 0;

  get isEmpty(): boolean {
    return this.head === this.messages.length;
  }

  /** When the first message arrived, by the clock of `push`; `undefined` when there is none. */
  get firstArrivedAt(): number | undefined {
    return this.arrivals[this.head];
  }

  get first(): StreamMessage | undefined {
    return this.messages[this.head];
  }

  push(message: StreamMessage, arrivedAt: number): void {
    this.messages.push(message);
    this.arrivals.push(arrivedAt);
  }

  shift(): StreamMessage | undefined {
    const message = this.messages[this.head];
    if (message === undefined) return undefined;
    this.messages[this.head] = undefined;
    this.head += 1;
    if (this.isEmpty) {
      this.clear();
    } else if (this.head >= COMPACT_FROM && this.head * 2 >= this.messages.length) {
      this.messages = this.messages.slice(this.head);
      this.arrivals = this.arrivals.slice(this.head);
      this.head = 0;
    }
    return message;
  }

  clear(): void {
    this.messages.length = 0;
    this.arrivals.length = 0;
    this.head = 0;
  }
}
