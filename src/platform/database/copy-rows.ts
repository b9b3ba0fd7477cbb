import { type ClientBase, type Connection, Query } from 'pg';
import type { Statement } from './sql';

/** Heads of messages to the server: a code and the bytes that follow it (PostgreSQL, "Message Formats"). */
const COPY_DATA = 0x64;
const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4]);
const HEAD_BYTES = 5;

/**
 * Runs a `copy … from stdin` with `rows`, all of its data in the format that the statement names. Resolves when the
 * server has taken them; throws what it refuses.
 *
 * The data goes out right behind the statement, without the round trip in which a client waits to be asked for it. A
 * server that refuses the statement drops what follows (PostgreSQL, "Message Flow", "COPY Operations").
 */
export function copyRows(client: ClientBase, { text }: Statement, rows: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const copy = new CopyRows(text, rows);
    copy.once('end', () => resolve());
    copy.once('error', reject);
    client.query(copy);
  });
}

/** A query of node-postgres' own kind: connections that pipeline take no other. */
class CopyRows extends Query {
  override readonly submit: (connection: Connection) => void;

  constructor(text: string, rows: Buffer) {
    // Once a query has a callback, as any gets that has a time limit, its errors are told to that alone.
    super(text, (error) => {
      if (error) this.emit('error', error);
    });
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(COPY_DATA);
    head.writeUInt32BE(HEAD_BYTES - 1 + rows.length, 1);
    this.submit = (connection) => {
      connection.query(text);
      if (!connection.stream.writable) return;
      for (const part of [head, rows, COPY_DONE]) connection.stream.write(part);
    };
  }

  /** The server asks for what is on its way to it. */
  handleCopyInResponse(): void {
    // Nothing is left to be sent.
  }
}
