import type { Direction } from '../../support/tcp-proxy';

/** One message of the protocol between PostgreSQL and a client (PostgreSQL documentation, "Message Formats"). */
export interface WireMessage {
  readonly direction: Direction;
  /** Its letter; empty for the first message of a connection, which has none. */
  readonly type: string;
  /** Content without type and length; of CopyData only the beginning of a message that has not arrived whole. */
  readonly text: string;
  /** Where it begins in the bytes that were passed in; 0 when it began in earlier ones. */
  readonly start: number;
}

/** Content that is kept of a message: enough for every statement's first words and for command tags. */
const KEPT_BYTES = 300;

/** Takes the bytes of one connection as they come, in pieces of any size, and tells the messages that begin in them. */
export class PostgresWire {
  private readonly halves = { fromClients: new Half(true), fromServer: new Half(false) };

  /** Messages whose kept content has become known with these bytes. */
  read(bytes: Buffer, direction: Direction): WireMessage[] {
    return this.halves[direction].read(bytes).map((message) => ({ ...message, direction }));
  }
}

class Half {
  private head = Buffer.alloc(0);
  private left = 0;

  constructor(private first: boolean) {}

  read(bytes: Buffer): Omit<WireMessage, 'direction'>[] {
    const messages: Omit<WireMessage, 'direction'>[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.left > 0) {
        const skipped = Math.min(this.left, bytes.length - at);
        this.left -= skipped;
        at += skipped;
        continue;
      }
      const before = this.head.length;
      const taken = Buffer.concat([this.head, bytes.subarray(at, at + 5 + KEPT_BYTES - before)]);
      const typeBytes = this.first ? 0 : 1;
      const length = taken.length >= typeBytes + 4 ? taken.readUInt32BE(typeBytes) + typeBytes : Infinity;
      const kept = Math.min(length, 5 + KEPT_BYTES);
      if (taken.length < kept) {
        this.head = taken;
        return messages;
      }
      messages.push({
        type: taken.toString('latin1', 0, typeBytes),
        text: taken.toString('latin1', typeBytes + 4, kept),
        start: Math.max(0, at - before),
      });
      this.first = false;
      this.head = Buffer.alloc(0);
      this.left = length - kept;
      at += kept - before;
    }
    return messages;
  }
}

/** Whether the connection is the service's for committing batches, from its first message. */
export function isOfIngestPool({ type, text }: WireMessage): boolean {
  return type === '' && text.includes('usage-analytics ingest');
}

/** Whether it asks for a statement that begins with the word, by the simple or the extended protocol. */
export function asks({ direction, type, text }: WireMessage, word: string): boolean {
  if (direction !== 'fromClients' || (type !== 'Q' && type !== 'P')) return false;
  const statement = type === 'Q' ? text : text.slice(text.indexOf('\0') + 1);
  return statement.trimStart().toLowerCase().startsWith(word);
}

/** Whether it carries rows of a COPY to the server. */
export function copies({ direction, type }: WireMessage): boolean {
  return direction === 'fromClients' && type === 'd';
}

/** Whether the server tells that a transaction is committed. */
export function tellsCommit({ direction, type, text }: WireMessage): boolean {
  return direction === 'fromServer' && type === 'C' && text.startsWith('COMMIT\0');
}

/** The process id of the session, when the server tells it. */
export function backendOf({ direction, type, text }: WireMessage): number | undefined {
  if (direction !== 'fromServer' || type !== 'K') return undefined;
  return Buffer.from(text, 'latin1').readInt32BE(0);
}
