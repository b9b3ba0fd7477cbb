import type { Oracle } from './oracle';

export const doubled: Oracle = {
  name: 'doubled',
  promise: 'Each identity is stored once, and quarantined at most as often as it was sent.',
  violations: ({ journal, stored, quarantined }) => {
    const rows = new Map<string, number>();
    for (const { eventId } of stored) rows.set(eventId, (rows.get(eventId) ?? 0) + 1);
    return [
      ...[...rows].filter(([, count]) => count > 1).map(([id, count]) => `${id} is stored ${count} times`),
      ...[...quarantined]
        .filter(([id, count]) => count > (journal.get(id)?.attempts ?? 0))
        .map(([id, count]) => `${id} is quarantined ${count} times`),
    ];
  },
};
