import { ORG_IDS } from '../workload';
import type { Oracle } from './oracle';

export const lost: Oracle = {
  name: 'lost',
  promise:
    'Every message that the broker confirmed is stored or quarantined, or an incident says that events of its time may be missing.',
  violations: ({ journal, stored, quarantined, gaps }) => {
    const kept = new Set(stored.map(({ orgId, eventId }) => `${orgId} ${eventId}`));
    return [...journal.values()]
      .filter(({ confirmedAt }) => confirmedAt !== undefined)
      .filter(({ id, orgId }) => !kept.has(`${orgId} ${id}`) && !quarantined.has(id))
      .filter(
        ({ sentAt }) =>
          !gaps.some(({ from, through }) => sentAt >= (from?.getTime() ?? 0) && sentAt <= through.getTime()),
      )
      .map(({ id, kind, orgId }) => `${kind} ${id} of organisation ${ORG_IDS.indexOf(orgId) + 1}`);
  },
};
