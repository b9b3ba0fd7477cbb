import { Gauge } from 'prom-client';
import { absentUntilSet } from '../platform/telemetry/absent-until-set';
import type { Verification } from './verification';

const differingRows = new Gauge({
  name: 'verify_differing_rows',
  help: 'Rows that the last verification in this process found different, by relation and what it was held against.',
  labelNames: ['relation', 'against'],
});
const openGaps = absentUntilSet(
  new Gauge({
    name: 'verify_open_data_gaps',
    help: 'Gaps of the stream that nobody has acknowledged, as the last verification in this process found.',
  }),
);
const finishedAt = new Gauge({
  name: 'verify_last_finished_timestamp_seconds',
  help: 'When the last verification in this process finished, whatever it found; absent before the first.',
  labelNames: ['outcome'],
});
const duration = absentUntilSet(
  new Gauge({
    name: 'verify_last_duration_seconds',
    help: 'How long the last verification in this process took.',
  }),
);

export function noteVerification(verification: Verification, seconds: number): void {
  differingRows.reset();
  for (const { relation, against, differing } of verification.layers) {
    differingRows.set({ relation, against }, differing);
  }
  openGaps.set(verification.openGaps.length);
  finishedAt.set({ outcome: verification.differing === 0 ? 'agreed' : 'differed' }, Date.now() / 1_000);
  duration.set(seconds);
}
