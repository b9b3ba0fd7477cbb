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
