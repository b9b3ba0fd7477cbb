/**
 * Frames of RabbitMQ's stream protocol, as far as a consumer needs them: size, command, version, fields. Big endian.
 * Source: rabbitmq-server, deps/rabbitmq_stream/docs/PROTOCOL.adoc.
 */
export const COMMANDS = {
  subscribe: 0x0007,
  deliver: 0x0008,
  credit: 0x0009,
  metadataUpdate: 0x0010,
  peerProperties: 0x0011,
  saslHandshake: 0x0012,
  saslAuthenticate: 0x0013,
  tune: 0x0014,
  open: 0x0015,
  close: 0x0016,
  heartbeat: 0x0017,
} as const;

export type Command = keyof typeof COMMANDS;

/** Set in the command of an answer. */
export const ANSWER = 0x8000;
const VERSION = 1;

/** The part of a frame before its fields: command and version. */
export const HEAD_BYTES = 4;

/** A chunk is one frame; nothing that a broker would send is as large. */
const LARGEST_FRAME_BYTES = 2 ** 29;

/** A frame ready to be sent; with `ANSWER` the client's answer to a request of the broker. */
export function frame(command: Command, fields: readonly Buffer[], kind = 0): Buffer {
  const head = Buffer.alloc(4 + HEAD_BYTES);
  head.writeUInt32BE(HEAD_BYTES + fields.reduce((bytes, field) => bytes + field.length, 0));
  head.writeUInt16BE(COMMANDS[command] | kind, 4);
  head.writeUInt16BE(VERSION, 6);
  return Buffer.concat([head, ...fields]);
}

export function uint8(value: number): Buffer {
  return Buffer.of(value);
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

export function textMap(entries: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(entries);
  return Buffer.concat([uint32(pairs.length), ...pairs.flat().map(text)]);
}

/** Puts frames together from what a socket delivers, in pieces of any size. Hands each over without its size. */
export class FrameAssembler {
  private readonly size = Buffer.alloc(4);
  private sizeFilled = 0;
  private body: Buffer | undefined;
  private bodyFilled = 0;

  constructor(private readonly take: (frame: Buffer) => void) {}

  /** Throws when what comes cannot be a frame. */
  push(data: Buffer): void {
    for (let at = 0; at < data.length;)
      at += this.body ? this.fill(this.body, data, at) : this.begin(data, at);
  }

  private begin(data: Buffer, at: number): number {
    const copied = data.copy(this.size, this.sizeFilled, at);
    this.sizeFilled += copied;
    if (this.sizeFilled < this.size.length) return copied;
    const size = this.size.readUInt32BE();
    if (size < HEAD_BYTES || size > LARGEST_FRAME_BYTES) throw new Error(`A frame of ${size} bytes.`);
    this.body = Buffer.allocUnsafe(size);
    this.bodyFilled = 0;
    return copied;
  }

  private fill(body: Buffer, data: Buffer, at: number): number {
    const copied = data.copy(body, this.bodyFilled, at);
    this.bodyFilled += copied;
    if (this.bodyFilled === body.length) {
      this.body = undefined;
      this.sizeFilled = 0;
      this.take(body);
    }
    return copied;
  }
}
