import type { ConsumeMessage } from 'amqplib';
import * as fc from 'fast-check';
import { MessageQueue } from './message-queue';

const message = (number: number) => ({ content: Buffer.from(String(number)) }) as ConsumeMessage;

describe('a queue of messages', () => {
  it('gives them back in order with when they came, whatever comes in between', () => {
    // Positive: push so many; negative: take so many. Beyond the size at which the queue compacts itself.
    const steps = fc.array(fc.integer({ min: -3_000, max: 3_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(steps, (turns) => {
        const queue = new MessageQueue();
        const given: unknown[] = [];
        const expected: unknown[] = [];
        let pushed = 0;
        for (const turn of turns) {
          for (let count = 0; count < turn; count += 1, pushed += 1) {
            queue.push(message(pushed), 1_000 + pushed);
            expected.push([1_000 + pushed, String(pushed)]);
          }
          for (let count = 0; count < -turn && !queue.isEmpty; count += 1)
            given.push([queue.firstArrivedAt, queue.shift()?.content.toString()]);
        }
        while (!queue.isEmpty) given.push([queue.firstArrivedAt, queue.shift()?.content.toString()]);
        expect(given).toEqual(expected);
        expect([queue.firstArrivedAt, queue.shift()]).toEqual([undefined, undefined]);
      }),
      { numRuns: 20 },
    );
  });

  it('keeps nothing that was taken', () => {
    const queue = new MessageQueue();
    for (let number = 0; number < 5_000; number += 1) queue.push(message(number), number);
    for (let number = 0; number < 4_000; number += 1) queue.shift();
    const kept = (queue as unknown as { messages: unknown[] }).messages;
    expect(kept.filter((held) => held !== undefined)).toHaveLength(1_000);
    expect(kept.length).toBeLessThan(2_100);
  });
});
