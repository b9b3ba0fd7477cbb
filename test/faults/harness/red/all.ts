import { killedAtPoints } from '../cells/killed-at-points';
import type { Bug } from './bug';

const STORE = 'dist/ingestion/usage-batch.store.js';
const LEDGER = 'dist/ingestion/batch-ledger.js';

/** Replaces a method of a compiled class by one that gets the former as its first parameter. */
function around(className: string, method: string, code: string): string {
  return `{ const inner = exports.${className}.prototype.${method}; exports.${className}.prototype.${method} = ${code}; }`;
}

export const BUGS: readonly Bug[] = [
  {
    name: 'acknowledged-before-commit',
    about: 'The cursor, which is what acknowledges, is committed before the events are.',
    oracle: 'lost',
    cell: killedAtPoints,
    plant: (build) =>
      build.append(
        STORE,
        around(
          'UsageBatchStore',
          'takeCursor',
          `async function (client, batch) {
            await inner.call(this, client, batch);
            await client.query('commit');
            await client.query('begin');
          }`,
        ),
      ),
  },
  {
    name: 'retried-with-another-time',
    about:
      'One event in a hundred is written again with a timestamp of its own, so that no unique index sees it.',
    oracle: 'doubled',
    cell: killedAtPoints,
    plant: (build) =>
      build.append(
        STORE,
        around(
          'UsageBatchStore',
          'copyEvents',
          `function (client, events, ...rest) {
            const twice = events.flatMap((event) => {
              if (Math.random() > 0.01) return [event];
              const later = new Date(event.occurredAt + 1).toISOString();
              return [event, { ...event, copyLine: later + event.copyLine.slice(later.length) }];
            });
            return inner.call(this, client, twice, ...rest);
          }`,
        ),
      ),
  },
  {
    name: 'mistaken-identity',
    about: 'One event in a hundred is stored under another id.',
    oracle: 'invented',
    cell: killedAtPoints,
    plant: (build) =>
      build.append(
        STORE,
        around(
          'UsageBatchStore',
          'copyEvents',
          `function (client, events, ...rest) {
            const mistaken = (event) => event.copyLine.replace(event.eventId, require('node:crypto').randomUUID());
            const changed = events.map((event) =>
              Math.random() > 0.01 ? event : { ...event, copyLine: mistaken(event) });
            return inner.call(this, client, changed, ...rest);
          }`,
        ),
      ),
  },
  {
    name: 'float-money',
    about: 'The API sums cost as floating point.',
    oracle: 'money',
    cell: killedAtPoints,
    plant: (build) =>
      build.replace('sql/aggregation/series.sql', 'sum(cost) as cost', 'sum(cost::real)::numeric as cost'),
  },
  {
    name: 'dropped-org-predicate',
    about: 'The statement behind an organisation’s usage forgets to ask for the organisation.',
    oracle: 'isolation',
    cell: killedAtPoints,
    plant: (build) =>
      build.replace('sql/aggregation/series.sql', 'where org_id = $1::uuid', 'where $1::uuid is not null'),
  },
  {
    name: 'ledger-aside',
    about: 'The ledger misses an event of each batch.',
    oracle: 'ledger',
    cell: killedAtPoints,
    plant: (build) =>
      build.append(
        LEDGER,
        around(
          'BatchLedger',
          'add',
          `function (outcome, ...rest) {
            if (outcome === 'stored' && !this.missed) { this.missed = true; this.totals.stored += 1; return; }
            return inner.call(this, outcome, ...rest);
          }`,
        ),
      ),
  },
  {
    name: 'hopeful-freshness',
    about: 'Answers say that everything up to now is counted, whatever the cursor says.',
    oracle: 'freshness',
    cell: killedAtPoints,
    plant: (build) =>
      build.replace(
        'sql/freshness/pipeline-reach.sql',
        'case when bool_and(data_through is not null) then min(data_through) end as data_through',
        '$1::timestamptz as data_through',
      ),
  },
];
