import type { Oracle } from './oracle';

export const freshness: Oracle = {
  name: 'freshness',
  promise: 'What an answer says is counted is counted, and no lag is hidden.',
  violations: (_, { dishonesties }) => [...dishonesties],
};
