/**
 * RabbitMQ before 4.0 numbers what a channel writes to a stream by the messages of the channel that went there, and what
 * it writes once more because the stream has another leader since, as after every restart, by all messages of the
 * channel (rabbit_stream_queue:resend_all/1). Where the two differ it takes later messages for ones that it has,
 * confirms them and drops them. They differ after a message that was returned, and when a channel feeds several streams.
 */
const MENDED_IN = 4;

/**
 * Why confirms of this broker cannot be believed where a channel's events go to so many partitions; `undefined` where
 * they can.
 */
export function doubtOfConfirms(version: string, partitions: number): string | undefined {
  if (partitions === 1 || Number.parseInt(version, 10) >= MENDED_IN) return undefined;
  return (
    `RabbitMQ ${version} may confirm events of other publishers and drop them after it was restarted, because there ` +
    `are ${partitions} partitions. Use RabbitMQ ${MENDED_IN}.0 or newer, or INGEST_PARTITIONS=1.`
  );
}
