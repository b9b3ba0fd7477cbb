import type { Evidence } from '../evidence';
import type { Findings } from '../sampler';

/** Judges one property of a run from the evidence alone; it knows nothing of what was done to the system. */
export interface Oracle {
  readonly name: string;
  /** What must hold, in a sentence. */
  readonly promise: string;
  /** What does not hold, in words; empty when all does. */
  violations(evidence: Evidence, sampled: Findings): string[];
}
