import type { AnswerLimits } from '../../src/aggregation/choose-relation';

/** What retention has recorded before it ran for the first time. */
export const NOTHING_DROPPED: AnswerLimits['keptFrom'] = {
  rawRetention: -Infinity,
  retention15min: -Infinity,
  retentionHourly: -Infinity,
  retentionDaily: -Infinity,
};
