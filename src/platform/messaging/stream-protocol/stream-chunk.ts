import { crc32, gunzipSync } from 'node:zlib';

/**
 * The unit in which a stream is stored and delivered: a header and entries, each one message or a batch of messages
 * under one compression. Source: rabbitmq-server, PROTOCOL.adoc, "Deliver".
 */
const HEADER_BYTES = 48;
const MAGIC_VERSION = 0x50;
/** The highest bit of an entry's size says that it is a batch. */
const BATCH = 0x80000000;
const BATCH_HEADER_BYTES = 11;
const COMPRESSION = 0x70;
const GZIP = 0x10;
const LARGEST_BATCH_BYTES = 2 ** 27;

/** Told of each message: its offset, and where it lies. */
export type TakeMessage = (offset: number, buffer: Buffer, start: number, end: number) => void;

/** Hands over the messages of the chunk that begins at `at`, in their order. Throws when it is damaged. */
export function readChunk(buffer: Buffer, at: number, take: TakeMessage): void {
  if (buffer.length < at + HEADER_BYTES || buffer[at] !== MAGIC_VERSION)
    throw new Error('A chunk of a version that is not known.');
  const entries = buffer.readUInt16BE(at + 2);
  const firstOffset = Number(buffer.readBigUInt64BE(at + 24));
  const checksum = buffer.readUInt32BE(at + 32);
  const start = at + HEADER_BYTES;
  const end = start + buffer.readUInt32BE(at + 36);
  if (end > buffer.length || crc32(buffer.subarray(start, end)) !== checksum)
    throw new Error(`The chunk at offset ${firstOffset} is damaged: its checksum is another one.`);
  let offset = firstOffset;
  let place = start;
  for (let entry = 0; entry < entries; entry += 1) {
    const size = buffer.readUInt32BE(place);
    if (size & BATCH) {
      const batch = readBatch(buffer, place, offset, take);
      offset += batch.messages;
      place = batch.end;
    } else {
      take(offset, buffer, place + 4, place + 4 + size);
      offset += 1;
      place += 4 + size;
    }
  }
}

/**
 * Messages of a batch that cannot be unpacked are handed over all the same, each as the packed bytes: whoever reads
 * them finds out that they are no events.
 */
function readBatch(buffer: Buffer, at: number, firstOffset: number, take: TakeMessage) {
  const messages = buffer.readUInt16BE(at + 1);
  const start = at + BATCH_HEADER_BYTES;
  const end = start + buffer.readUInt32BE(at + 7);
  const unpacked = unpack(buffer.subarray(start, end), buffer.readUInt8(at) & COMPRESSION);
  for (let message = 0, place = 0; message < messages; message += 1) {
    const offset = firstOffset + message;
    const size = unpacked && place + 4 <= unpacked.length ? unpacked.readUInt32BE(place) : undefined;
    if (unpacked && size !== undefined && place + 4 + size <= unpacked.length) {
      take(offset, unpacked, place + 4, place + 4 + size);
      place += 4 + size;
    } else {
      take(offset, buffer, start, end);
    }
  }
  return { messages, end };
}

/** `undefined` when it is packed in a way that only other clients know, damaged, or larger than anything sensible. */
function unpack(data: Buffer, compression: number): Buffer | undefined {
  if (compression === 0) return data;
  if (compression !== GZIP) return undefined;
  try {
    return gunzipSync(data, { maxOutputLength: LARGEST_BATCH_BYTES });
  } catch {
    return undefined;
  }
}
