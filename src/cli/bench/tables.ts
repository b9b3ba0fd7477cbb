import type { Baselines } from './baselines';
import type { TrialFigures } from './ingestion-trial';

/** A row of the table that people read; figures are rounded here and nowhere else. */
export function ingestionRow({
  eventsPerSecond,
  copyRowsPerSecond,
  peakMemoryMb,
  cpuPerMillion,
}: TrialFigures) {
  return {
    'events/s': Math.round(eventsPerSecond),
    'bare COPY rows/s': Math.round(copyRowsPerSecond),
    ratio: Number((eventsPerSecond / copyRowsPerSecond).toFixed(3)),
    'peak memory, MB': Math.round(peakMemoryMb),
    'CPU s per million: service': Number(cpuPerMillion.service.toFixed(1)),
    PostgreSQL: Number(cpuPerMillion.postgres.toFixed(1)),
    RabbitMQ: Number(cpuPerMillion.rabbitmq.toFixed(1)),
  };
}

/** The row of what events take on disk, and of how fast other ways store them. */
export function baselineRow({
  copyWithoutIndexesPerSecond,
  singleInsertsPerSecond,
  bytesPerEvent,
  bytesPerCompressedEvent,
}: Baselines) {
  return {
    'COPY without indexes, rows/s': Math.round(copyWithoutIndexesPerSecond),
    'one insert per event, events/s': Math.round(singleInsertsPerSecond),
    'bytes per event': Math.round(bytesPerEvent),
    compressed: bytesPerCompressedEvent === undefined ? '–' : Math.round(bytesPerCompressedEvent),
  };
}
