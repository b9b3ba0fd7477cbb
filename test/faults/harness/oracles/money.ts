import { DAY_MS, HOUR_MS } from '../../../../src/shared/time-zone';
import { AmountTable, costUnits } from '../amounts';
import type { Oracle } from './oracle';

export const money: Oracle = {
  name: 'money',
  promise:
    'Requests, tokens and cost by organisation, model and hour are those that were sent, to the last digit, in events, rollups, API and exports.',
  violations: ({ journal, stored, layers, dailyRollup, unreadable }) => {
    const expected = new AmountTable();
    for (const eventId of new Set(stored.map((each) => each.eventId))) {
      const event = journal.get(eventId)?.event;
      if (!event) continue;
      const { orgId, modelId, occurredAt, inputTokens, outputTokens, cost } = event;
      expected.add(orgId, modelId, new Date(occurredAt), {
        requests: 1n,
        inputTokens: BigInt(inputTokens),
        outputTokens: BigInt(outputTokens),
        cost: costUnits(String(cost)),
      });
    }
    const hourly = expected.by(HOUR_MS);
    return [
      ...unreadable,
      ...[...layers].flatMap(([name, table]) =>
        table.differencesFrom(hourly).map((difference) => `${name}: ${difference}`),
      ),
      ...dailyRollup.differencesFrom(expected.by(DAY_MS)).map((difference) => `usage_daily: ${difference}`),
    ];
  },
};
