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
const FIELD_COUNT_BYTES = 2;
const INSTANT_BYTES = 8;
const EPOCH_2000_MS = Date.UTC(2000, 0);

const DASH = 0x2d;
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
  const rowBytes =
    FIELD_COUNT_BYTES + columns.length * (LENGTH_BYTES + UUID_BYTES) + LENGTH_BYTES + INSTANT_BYTES;
  const bytes = Buffer.allocUnsafe(COPY_SIGNATURE.length + rows * rowBytes + COPY_END.length);
  const microseconds = BigInt(instant.getTime() - EPOCH_2000_MS) * 1_000n;
  let at = COPY_SIGNATURE.copy(bytes);
  for (let row = 0; row < rows; row += 1) {
    at = bytes.writeInt16BE(columns.length + 1, at);
    for (const column of columns) at = writeUuid(bytes, at, column[row] as string);
    at = bytes.writeInt32BE(INSTANT_BYTES, at);
    at = bytes.writeBigInt64BE(microseconds, at);
  }
  COPY_END.copy(bytes, at);
  return bytes;
}

function writeUuid(bytes: Buffer, start: number, uuid: string): number {
  let at = bytes.writeInt32BE(UUID_BYTES, start);
  for (let place = 0; place < uuid.length;) {
    const digit = uuid.charCodeAt(place);
    if (digit === DASH) {
      place += 1;
      continue;
    }
    bytes[at] = ((DIGITS[digit] ?? 0) << 4) | (DIGITS[uuid.charCodeAt(place + 1)] ?? 0);
    at += 1;
    place += 2;
  }
  return at;
}
