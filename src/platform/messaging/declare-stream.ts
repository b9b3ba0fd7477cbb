import type { Channel } from 'amqplib';
import { closeChannel } from './close-channel';
import type { Queue } from './topology';

/** How much a stream keeps. A policy changes that while the stream lives; its arguments stay as they were declared. */
const LIMITS: readonly string[] = ['x-max-age', 'x-max-length-bytes', 'x-stream-max-segment-size-bytes'];
const REFUSAL = /inequivalent arg '([^']+)' for .* but current is (?:(?:the value )?'([^']*)'|none\b)/;

/**
 * Declares a stream and answers the arguments that it has. One that exists may have other limits and stays as it is;
 * fails with 406 where anything else differs, such as the kind of the queue.
 *
 * What a queue was declared with is told only by the refusal of another declaration, one argument at a time, and the
 * broker closes the channel with it. So the declaration is repeated with the value that was named until nothing else
 * differs. RabbitMQ cuts the text of a refusal off after 255 bytes: where the name of the virtual host is so long that
 * the value is not in it, the stream is refused.
 */
export async function declareStream(
  open: () => Promise<Channel>,
  { name, arguments: wanted }: Queue,
): Promise<Queue['arguments']> {
  const own = { ...wanted };
  const adopted = new Set<string>();
  for (;;) {
    const channel = await open();
    try {
      await channel.assertQueue(name, { durable: true, arguments: own });
      return own;
    } catch (error) {
      const [, limit = '', value] = REFUSAL.exec(error instanceof Error ? error.message : '') ?? [];
      if (!LIMITS.includes(limit) || adopted.has(limit)) throw error;
      adopted.add(limit);
      if (value === undefined) delete own[limit];
      else own[limit] = typeof wanted[limit] === 'number' ? Number(value) : value;
    } finally {
      await closeChannel(channel);
    }
  }
}
