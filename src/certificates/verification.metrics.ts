import { Gauge } from 'prom-client';
import { absentUntilSet } from '../platform/telemetry/absent-until-set';
import type { Layer } from './reconciliation';

/** As `last_verification` keeps it. */
export interface VerificationRecord {
  readonly finished_at: Date;
  readonly seconds: number;
  readonly open_gaps: number;
  readonly layers: readonly Pick<Layer, 'relation' | 'against' | 'differing'>[];
}

const differingRows = new Gauge({
  name: 'verify_differing_rows',
  help: 'Rows that the last verification, of whichever process, found different, by relation and what it was held against.',
  labelNames: ['relation', 'against'],
});
const openGaps = absentUntilSet(
  new Gauge({
    name: 'verify_open_data_gaps',
    help: 'Gaps of the stream that nobody has acknowledged, as the last verification found.',
  }),
);
const finishedAt = new Gauge({
  name: 'verify_last_finished_timestamp_seconds',
  help: 'When the last verification finished, whatever it found; absent before the first.',
  labelNames: ['outcome'],
});
const duration = absentUntilSet(
  new Gauge({
    name: 'verify_last_duration_seconds',
    help: 'How long the last verification took.',
  }),
);

/** All at once, between two scrapes. */
export function exportVerification(record: VerificationRecord): void {
  differingRows.reset();
  let outcome = 'agreed';
  for (const { relation, against, differing } of record.layers) {
    differingRows.set({ relation, against }, differing);
    if (differing > 0) outcome = 'differed';
  }
  openGaps.set(record.open_gaps);
  finishedAt.reset();
  finishedAt.set({ outcome }, record.finished_at.getTime() / 1_000);
  duration.set(record.seconds);
}
