/**
 * PostgreSQL's binary format for the few types in which identities travel: the server reads 16 bytes where it would
 * parse 36 characters. Big endian. Sources: PostgreSQL documentation, COPY, "Binary Format"; array_recv in arrayfuncs.c.
 */
const UUID_BYTES = 16;
const UUID_TYPE = 2950;
const LENGTH_BYTES = 4;
/** Number of dimensions, flags and type of the elements, size and lower bound of the one dimension. */
const ARRAY_HEAD_BYTES = 20;
const COPY_SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COPY_END = Buffer.from([0xff, 0xff]);
const INSTANT_BYTES = 8;
const EPOCH_2000_MS = Date.UTC(2000, 0);

const UUID_LENGTH = Buffer.from([0, 0, 0, UUID_BYTES]);
/** Where each byte stands in a text with dashes, and in one without. */
const DASHED = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const PLAIN = DASHED.map((_, byte) => 2 * byte);
/** Of a text with dashes. */
const DASHED_LENGTH = 36;
const DIGITS = new Uint8Array(128);
for (const [value, digit] of [...'0123456789abcdef'].entries()) DIGITS[digit.charCodeAt(0)] = value;

/** A parameter of type `uuid[]`, of UUIDs in lower case. */
export function uuidArray(uuids: readonly string[]): Buffer {
  const bytes = Buffer.allocUnsafe(ARRAY_HEAD_BYTES + uuids.length * (LENGTH_BYTES + UUID_BYTES));
  let at = 0;
  for (const head of [1, 0, UUID_TYPE, uuids.length, 1]) at = bytes.writeInt32BE(head, at);
  for (const uuid of uuids) at = writeUuid(bytes, at, uuid);
  return bytes;
}

/**
 * The data of a binary COPY: columns of UUIDs, in lower case, with or without dashes, and behind them an instant that is
 * the same in all rows.
 */
export function uuidRows(columns: readonly (readonly string[])[], instant: Date): Buffer {
  const rows = columns[0]?.length ?? 0;
  const [head, tail] = [fieldCount(columns.length + 1), instantField(instant)];
  const rowBytes = head.length + columns.length * (LENGTH_BYTES + UUID_BYTES) + tail.length;
  const bytes = Buffer.allocUnsafe(COPY_SIGNATURE.length + rows * rowBytes + COPY_END.length);
  let at = COPY_SIGNATURE.copy(bytes);
  for (let row = 0; row < rows; row += 1) {
    at = writeBytes(bytes, at, head);
    for (const column of columns) at = writeUuid(bytes, at, column[row] as string);
    at = writeBytes(bytes, at, tail);
  }
  COPY_END.copy(bytes, at);
  return bytes;
}

function fieldCount(fields: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(fields);
  return bytes;
}

function instantField(instant: Date): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES + INSTANT_BYTES);
  bytes.writeInt32BE(INSTANT_BYTES);
  bytes.writeBigInt64BE(BigInt(instant.getTime() - EPOCH_2000_MS) * 1_000n, LENGTH_BYTES);
  return bytes;
}

/** A call of `copy` takes longer for so few bytes. */
function writeBytes(bytes: Buffer, start: number, written: Buffer): number {
  for (let place = 0; place < written.length; place += 1) bytes[start + place] = written[place] as number;
  return start + written.length;
}

function writeUuid(bytes: Buffer, start: number, uuid: string): number {
  const places = uuid.length === DASHED_LENGTH ? DASHED : PLAIN;
  let at = writeBytes(bytes, start, UUID_LENGTH);
  for (const place of places) {
    bytes[at] = ((DIGITS[uuid.charCodeAt(place)] ?? 0) << 4) | (DIGITS[uuid.charCodeAt(place + 1)] ?? 0);
    at += 1;
  }
  return at;
}
