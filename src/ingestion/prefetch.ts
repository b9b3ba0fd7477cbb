/** The largest prefetch of AMQP 0-9-1. */
const MAX_PREFETCH = 65_535;
/** One batch that commits, one that is decoded, one on its way. */
const BATCHES_IN_FLIGHT = 3;
/** Part of the buffer that a prefetch may fill: RabbitMQ 3.10 delivers up to twice the prefetch of a stream. */
const BUFFER_SHARE = 1 / 4;

interface PrefetchSettings {
  readonly ingestBatchSize: number;
  readonly ingestBufferBytes: number;
}

/** Unacknowledged messages to ask for: enough to keep three batches of single events moving, if they fit. */
export function prefetchOf(
  { ingestBatchSize, ingestBufferBytes }: PrefetchSettings,
  meanMessageBytes = 1,
): number {
  const wanted = Math.min(MAX_PREFETCH, BATCHES_IN_FLIGHT * ingestBatchSize);
  const fitting = Math.floor((ingestBufferBytes * BUFFER_SHARE) / Math.max(1, meanMessageBytes));
  return Math.max(1, Math.min(wanted, fitting));
}

/** The prefetch after the buffer overflowed with `current`: smaller in any case, so that it ends. */
export function prefetchAfterOverflow(
  settings: PrefetchSettings,
  current: number,
  meanMessageBytes: number,
): number {
  return Math.max(1, Math.min(prefetchOf(settings, meanMessageBytes), Math.floor(current / 2)));
}

/**
 * Mean size of messages, in bytes, from which on `current` is less than a quarter of what could be asked for; 0 when
 * it is all that may be asked for.
 */
export function smallMessageBytes(settings: PrefetchSettings, current: number): number {
  if (current >= prefetchOf(settings)) return 0;
  return (settings.ingestBufferBytes * BUFFER_SHARE) / (4 * current);
}
