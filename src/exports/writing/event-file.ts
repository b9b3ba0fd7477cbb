import { sql } from '../../platform/database/sql';
import { defuseFormula } from './defuse-formula';
import { anyOf, type FileContext, type FileFormat } from './file-format';

const eventRows = sql('exports/event-rows');
const eventTotals = sql('exports/event-totals');

/** Columns of the granularity events, a row for each inference call; times in UTC. */
export const EVENT_COLUMNS = [
  'occurredAt',
  'receivedAt',
  'orgId',
  'eventId',
  'modelId',
  'clientId',
  'actorId',
  'status',
  'errorCode',
  'latencyMs',
  'timeToFirstTokenMs',
  'inputTokens',
  'cachedInputTokens',
  'outputTokens',
  'cost',
  'currency',
  'metadata',
] as const;

export function eventFile({ orgId, specification, currency }: FileContext): FileFormat {
  const { window, filters } = specification;
  const { modelIds, clientIds, statuses } = filters;
  const range = [new Date(window.start), new Date(window.end)];
  const values = [orgId, ...range, anyOf(modelIds), anyOf(clientIds), anyOf(statuses)];
  return {
    columns: EVENT_COLUMNS,
    rows: { text: eventRows.text, values },
    totals: { text: eventTotals.text, values },
    record: (row, totals) => {
      const [occurredAt, receivedAt, eventId, modelId, clientId, actorId, status, errorCode, ...measures] =
        row as unknown as EventRow;
      const [latency, timeToFirstToken, inputTokens, cachedInputTokens, outputTokens, cost, metadata] =
        measures;
      totals.requests += 1n;
      totals.inputTokens += BigInt(inputTokens);
      if (cachedInputTokens !== null) totals.cachedInputTokens += BigInt(cachedInputTokens);
      totals.outputTokens += BigInt(outputTokens);
      totals.addCost(cost);
      return [
        occurredAt,
        receivedAt,
        orgId,
        eventId,
        defuseFormula(modelId),
        defuseFormula(clientId),
        defuseFormula(actorId),
        status,
        defuseFormula(errorCode),
        latency,
        timeToFirstToken,
        inputTokens,
        cachedInputTokens,
        outputTokens,
        cost,
        currency,
        // JSON of a map begins with a brace, so no spreadsheet runs it.
        metadata,
      ];
    },
  };
}

/** In the order of sql/exports/event-rows.sql. */
type EventRow = readonly [
  occurredAt: string,
  receivedAt: string,
  eventId: string,
  modelId: string,
  clientId: string | null,
  actorId: string | null,
  status: string,
  errorCode: string | null,
  latency: string,
  timeToFirstToken: string | null,
  inputTokens: string,
  cachedInputTokens: string | null,
  outputTokens: string,
  cost: string,
  metadata: string | null,
];
