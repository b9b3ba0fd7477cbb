import { ORG_IDS } from '../workload';
import type { Oracle } from './oracle';

export const lost: Oracle = {
  name: 'lost',
  promise: 'Every message that the broker confirmed is stored or quarantined.',
  violations: ({ journal, stored, quarantined }) => {
    const kept = new Set(stored.map(({ orgId, eventId }) => `${orgId} ${eventId}`));
    return [...journal.values()]
      .filter(({ confirmedAt }) => confirmedAt !== undefined)
      .filter(({ id, orgId }) => !kept.has(`${orgId} ${id}`) && !quarantined.has(id))
      .map(({ id, kind, orgId }) => `${kind} ${id} of organisation ${ORG_IDS.indexOf(orgId) + 1}`);
  },
};
