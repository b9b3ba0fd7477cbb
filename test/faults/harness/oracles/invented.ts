import type { Oracle } from './oracle';

export const invented: Oracle = {
  name: 'invented',
  promise: 'Nothing is stored or quarantined that was never sent, and nothing valid is quarantined.',
  violations: ({ journal, stored, quarantined }) => [
    ...stored
      .filter(({ eventId, orgId }) => {
        const entry = journal.get(eventId);
        return entry?.orgId !== orgId || (entry.kind !== 'fresh' && entry.kind !== 'late');
      })
      .map(({ eventId, orgId }) => `stored: ${eventId} of ${orgId}`),
    ...[...quarantined.keys()]
      .filter((id) => !['too-late', 'not-json'].includes(journal.get(id)?.kind ?? 'nothing'))
      .map((id) => `quarantined: ${id}`),
  ],
};
