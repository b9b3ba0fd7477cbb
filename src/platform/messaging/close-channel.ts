import type { StreamChannel } from './stream-channel';

/**
 * Closes a channel and resolves when it is closed, by whatever. (The promise of amqplib 0.10 never settles when the
 * connection ends first.)
 */
export function closeChannel(channel: Pick<StreamChannel, 'once' | 'close'>): Promise<void> {
  return new Promise((resolve) => {
    channel.once('close', resolve);
    channel.close().then(resolve, () => resolve());
  });
}
