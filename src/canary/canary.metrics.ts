import { Counter, Gauge, Histogram } from 'prom-client';
import { absentUntilSet } from '../platform/telemetry/absent-until-set';

export const CANARY_OUTCOMES = ['visible', 'refused', 'invisible', 'failed'] as const;
export type CanaryOutcome = (typeof CANARY_OUTCOMES)[number];

export const canaryChecks = new Counter({
  name: 'canary_checks_total',
  help: 'Synthetic events by what became of them: seen in the API, not accepted, not seen in time, or no answer.',
  labelNames: ['outcome'],
});

export const canaryDelay = new Histogram({
  name: 'canary_visible_delay_seconds',
  help: 'From sending a synthetic event until the usage of its organisation has it.',
  buckets: [0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300],
});

/** Begins with the moment the canary is switched on, so that one that never works is noticed as well. */
export const canaryLastVisible = absentUntilSet(
  new Gauge({
    name: 'canary_last_visible_timestamp_seconds',
    help: 'When a synthetic event of this process was last seen in the API, or when its canary began.',
  }),
);
