import { frame, FrameAssembler, text, uint16 } from './frames';

describe('frames of the stream protocol', () => {
  it('are put together from pieces of any size', () => {
    const sent = [frame('heartbeat', []), frame('open', [text('vhost')]), frame('credit', [uint16(7)])];
    const bytes = Buffer.concat(sent);
    for (let size = 1; size <= bytes.length; size += 1) {
      const received: Buffer[] = [];
      const assembler = new FrameAssembler((whole) => received.push(Buffer.from(whole)));
      for (let at = 0; at < bytes.length; at += size) assembler.push(bytes.subarray(at, at + size));
      expect(received).toEqual(sent.map((each) => each.subarray(4)));
    }
  });

  it.each([
    ['smaller than its head', Buffer.from([0, 0, 0, 3])],
    ['larger than anything a broker sends', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ])('are refused when one claims to be %s', (_, size) => {
    expect(() => new FrameAssembler(() => undefined).push(size)).toThrow(/^A frame of \d+ bytes\.$/);
  });
});
