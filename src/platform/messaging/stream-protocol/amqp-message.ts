/**
 * Messages lie in a stream in the encoding of AMQP 1.0, whichever protocol they were published by: sections, each a
 * descriptor and a value. Only the body and single headers are of interest, so the rest is stepped over. Source: AMQP
 * 1.0 (OASIS), part 1, "Types", and part 3, 3.2, "Message Format".
 */
const DESCRIBED = 0x00;
const SMALL_ULONG = 0x53;
/** Descriptor of a section: `DESCRIBED`, `SMALL_ULONG`, code. */
const DESCRIPTOR_BYTES = 3;
const APPLICATION_PROPERTIES = 0x74;
const DATA = 0x75;
/** Bodies that are no bytes; RabbitMQ hands them to clients of AMQP 0-9-1 in this encoding, descriptor included. */
const SEQUENCE = 0x76;
const VALUE = 0x77;

const NONE = -1;

/**
 * The body of the message between two places, as a view, the same bytes that a client of AMQP 0-9-1 would get. What is
 * not in this encoding is answered whole: whoever reads it finds out that it is no event. Never throws.
 */
export function bodyOf(buffer: Buffer, start: number, end: number): Buffer {
  let body: Buffer | undefined;
  for (let at = start; at < end;) {
    const next = endOfSection(buffer, at, end);
    if (next === NONE) return buffer.subarray(start, end);
    if (buffer[at + 2] === DATA) {
      const part = buffer.subarray(startOfContent(buffer, at + DESCRIPTOR_BYTES), next);
      body = body === undefined ? part : Buffer.concat([body, part]);
    } else if (buffer[at + 2] === VALUE || buffer[at + 2] === SEQUENCE) {
      const part = buffer.subarray(at, next);
      body = body === undefined ? part : Buffer.concat([body, part]);
    }
    at = next;
  }
  return body ?? buffer.subarray(start, end);
}

/** The text under `name` in the headers of the message between two places. Never throws. */
export function textHeaderOf(buffer: Buffer, start: number, end: number, name: string): string | undefined {
  for (let at = start; at < end;) {
    const next = endOfSection(buffer, at, end);
    if (next === NONE) return undefined;
    if (buffer[at + 2] === APPLICATION_PROPERTIES)
      return textOfMap(buffer, at + DESCRIPTOR_BYTES, next, name);
    at = next;
  }
  return undefined;
}

/** A map is its size, its number of keys and values, as wide as the size, and then these in turn. */
function textOfMap(buffer: Buffer, map: number, end: number, name: string): string | undefined {
  const sizeBytes = startOfContent(buffer, map) - (map + 1);
  for (let key = map + 1 + 2 * sizeBytes; key < end;) {
    const value = endOfValue(buffer, key, end);
    const next = value === NONE ? NONE : endOfValue(buffer, value, end);
    if (next === NONE) return undefined;
    if (buffer.toString('utf8', startOfContent(buffer, key), value) === name)
      return buffer.toString('utf8', startOfContent(buffer, value), next);
    key = next;
  }
  return undefined;
}

function endOfSection(buffer: Buffer, at: number, end: number): number {
  if (buffer[at] !== DESCRIBED || buffer[at + 1] !== SMALL_ULONG) return NONE;
  return endOfValue(buffer, at + DESCRIPTOR_BYTES, end);
}

/** The high half of a type's code tells how wide its values are, or how wide the size that stands before them is. */
function endOfValue(buffer: Buffer, at: number, end: number): number {
  const content = startOfContent(buffer, at);
  if (content > end) return NONE;
  const next = content + bytesOfContent(buffer, at);
  return next > end ? NONE : next;
}

/** Behind the type, and behind the size where there is one. */
function startOfContent(buffer: Buffer, at: number): number {
  const kind = (buffer[at] ?? 0) >> 4;
  if (kind < 0xa) return at + 1;
  return kind % 2 === 0 ? at + 2 : at + 5;
}

function bytesOfContent(buffer: Buffer, at: number): number {
  const kind = (buffer[at] ?? 0) >> 4;
  if (kind >= 0xa) return kind % 2 === 0 ? (buffer[at + 1] ?? 0) : buffer.readUInt32BE(at + 1);
  // 4: none, 5: one byte, 6: two, 7: four, 8: eight, 9: sixteen.
  return kind < 5 ? 0 : 2 ** (kind - 5);
}
