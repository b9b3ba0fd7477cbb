import { crc32, deflateSync, gzipSync } from 'node:zlib';
import { readChunk } from './stream-chunk';

const uint16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
const uint32 = (value: number) => Buffer.concat([uint16(value >>> 16), uint16(value & 0xffff)]);
const entry = (message: string) => Buffer.concat([uint32(message.length), Buffer.from(message)]);

function batch(messages: readonly string[], compression: number, pack: (data: Buffer) => Buffer): Buffer {
  const data = Buffer.concat(messages.map(entry));
  const packed = pack(data);
  const head = Buffer.from([0x80 | (compression << 4)]);
  return Buffer.concat([head, uint16(messages.length), uint32(data.length), uint32(packed.length), packed]);
}

function chunkOf(firstOffset: number, entries: readonly Buffer[], messages: number): Buffer {
  const data = Buffer.concat(entries);
  const offset = Buffer.alloc(8);
  offset.writeBigUInt64BE(BigInt(firstOffset));
  const head = [Buffer.from([0x50, 0]), uint16(entries.length), uint32(messages), Buffer.alloc(16), offset];
  return Buffer.concat([...head, uint32(crc32(data)), uint32(data.length), uint32(0), uint32(0), data]);
}

function read(chunk: Buffer): [number, string][] {
  const messages: [number, string][] = [];
  readChunk(Buffer.concat([Buffer.from([0]), chunk]), 1, (offset, buffer, start, end) =>
    messages.push([offset, buffer.toString('utf8', start, end)]),
  );
  return messages;
}

describe('a chunk of a stream', () => {
  it('has messages one by one and in batches, each with its offset', () => {
    const entries = [
      entry('a'),
      batch(['b', 'cc'], 0, (data) => data),
      batch(['d', 'e'], 1, gzipSync),
      entry('f'),
    ];
    expect(read(chunkOf(7, entries, 6))).toEqual([
      [7, 'a'],
      [8, 'b'],
      [9, 'cc'],
      [10, 'd'],
      [11, 'e'],
      [12, 'f'],
    ]);
  });

  it('hands over each message of a batch that cannot be unpacked as packed, and goes on behind it', () => {
    const damaged = batch(['b', 'c'], 1, () => Buffer.from('damaged'));
    const foreign = batch(['d'], 4, deflateSync);
    const messages = read(chunkOf(0, [damaged, foreign, entry('e')], 4));
    expect(messages.map(([offset]) => offset)).toEqual([0, 1, 2, 3]);
    expect(messages.at(0)).toEqual([0, 'damaged']);
    expect(messages.at(1)).toEqual([1, 'damaged']);
    expect(messages.at(3)).toEqual([3, 'e']);
  });

  it('is refused when it is damaged, cut short, or of another version', () => {
    const chunk = chunkOf(3, [entry('abc')], 1);
    const damaged = Buffer.from(chunk);
    damaged[chunk.length - 1] = 0;
    expect(() => read(damaged)).toThrow('The chunk at offset 3 is damaged: its checksum is another one.');
    expect(() => read(chunk.subarray(0, chunk.length - 1))).toThrow('The chunk at offset 3 is damaged');
    expect(() => read(Buffer.concat([Buffer.from([0x51]), chunk.subarray(1)]))).toThrow('a version that is not known'); // prettier-ignore
  });
});
