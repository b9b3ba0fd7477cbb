import fc from 'fast-check';
import { bodyOf, textHeaderOf } from './amqp-message';

const section = (code: number, ...value: (Buffer | number[])[]) =>
  Buffer.concat([Buffer.from([0x00, 0x53, code]), ...value.map((part) => Buffer.from(part))]);
const shortBytes = (body: Buffer) => Buffer.concat([Buffer.from([0xa0, body.length]), body]);
const longBytes = (body: Buffer) =>
  Buffer.concat([Buffer.from([0xb0]), Buffer.from(Uint32Array.of(body.length).buffer).reverse(), body]);
const shortText = (value: string) => Buffer.concat([Buffer.from([0xa1, value.length]), Buffer.from(value)]);
const map = (...values: Buffer[]) => {
  const content = Buffer.concat(values);
  return Buffer.concat([Buffer.from([0xc1, content.length + 1, values.length]), content]);
};

const HEADER = section(0x70, [0x45]);
const ANNOTATIONS = section(0x72, map(shortText('x-exchange'), shortText('analytics.usage')));
/** An empty list of properties, of which the first few are given: a null, an unsigned long, a timestamp. */
const PROPERTIES = section(0x73, [0xc0, 0x0d, 0x03, 0x40, 0x53, 0x07, 0x83], Buffer.alloc(8));
const HEADERS = section(
  0x74,
  map(shortText('attempt'), Buffer.from([0x54, 3]), shortText('traceparent'), shortText('00-ab-cd-01')),
);

function read(message: Buffer) {
  // Between others, as in a chunk.
  const chunk = Buffer.concat([Buffer.from('before'), message, Buffer.from('after')]);
  return {
    body: bodyOf(chunk, 6, 6 + message.length),
    header: (name: string) => textHeaderOf(chunk, 6, 6 + message.length, name),
  };
}

describe('a message in the encoding of AMQP 1.0', () => {
  const body = Buffer.from('{"eventId":1}');

  it('has its body behind whatever sections come before', () => {
    for (const data of [shortBytes(body), longBytes(body)]) {
      expect(read(section(0x75, data)).body).toEqual(body);
      expect(read(Buffer.concat([HEADER, ANNOTATIONS, PROPERTIES, HEADERS, section(0x75, data)])).body).toEqual(body); // prettier-ignore
    }
  });

  it('has the parts of its body one behind the other', () => {
    const parts = [
      section(0x75, shortBytes(Buffer.from('{"a":'))),
      section(0x75, shortBytes(Buffer.from('1}'))),
    ];
    expect(read(Buffer.concat([HEADER, ...parts])).body.toString()).toBe('{"a":1}');
  });

  it('has a body that is no bytes as it is encoded, without the other sections', () => {
    const value = section(0x77, shortText('text'));
    expect(read(Buffer.concat([PROPERTIES, value])).body).toEqual(value);
  });

  it('has the texts among its headers', () => {
    const { header } = read(Buffer.concat([ANNOTATIONS, HEADERS, section(0x75, shortBytes(body))]));
    expect([header('traceparent'), header('missing')]).toEqual(['00-ab-cd-01', undefined]);
    expect(read(section(0x75, shortBytes(body))).header('traceparent')).toBeUndefined();
  });

  it('is answered whole when it is in another encoding, and never throws or reads beyond its end', () => {
    expect(read(Buffer.from('{"bare":true}')).body.toString()).toBe('{"bare":true}');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, described) => {
        const message = Buffer.from(described ? [0x00, 0x53, 0x74, ...bytes] : bytes);
        const { body: read1, header } = read(message);
        expect(read1.length).toBeLessThanOrEqual(message.length);
        header('traceparent');
      }),
    );
  });
});
