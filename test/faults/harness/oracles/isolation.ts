import { isForeign, MODULUS, ORG_IDS } from '../workload';
import type { Oracle } from './oracle';

export const isolation: Oracle = {
  name: 'isolation',
  promise: 'Whatever is said of an organisation, at any time, has only its own residue of tokens in it.',
  violations: ({ stored, layers }, { leaks }) => [
    ...leaks,
    ...stored
      .filter(({ orgId, inputTokens }) => inputTokens % MODULUS !== ORG_IDS.indexOf(orgId) + 1)
      .map(({ orgId, eventId }) => `usage_events: ${eventId} of ${orgId}`),
    ...[...layers].flatMap(([name, table]) =>
      [...table.byOrg()]
        .filter(([orgId, { requests, inputTokens }]) => isForeign(orgId, requests, inputTokens))
        .map(([orgId]) => `${name}: the tokens of ${orgId} are not its own`),
    ),
  ],
};
