import type { Oracle } from './oracle';

export const ledger: Oracle = {
  name: 'ledger',
  promise:
    'At every moment, in one snapshot: the ledger’s counts are those of the rows, by organisation and hour and by batch, and the cursor stands behind the last batch.',
  violations: (_, { imbalances }) => [...imbalances],
};
