import { finished } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { sqlOver } from '../../platform/database/sql';
import { decodeUsageMessage } from '../../shared/usage-event/decode-usage-message';

const copyUsageEvents = sqlOver('ingestion/copy-usage-events', ['usage_events']);
const RULES = { lateHorizon: 30 * 86_400_000, knownOrgs: null, maxMessageBytes: 1_048_576 };

/**
 * Rows per second of a bare COPY of the same rows into the same table: one connection, batches of `batchSize` rows,
 * one transaction each; lines are made before the clock starts. The most that any loader could reach with one
 * connection.
 */
export async function measureBareCopy(
  databaseUrl: string,
  bodies: readonly Buffer[],
  batchSize: number,
): Promise<number> {
  const batches: Buffer[] = [];
  for (let start = 0; start < bodies.length; start += batchSize)
    batches.push(linesOf(bodies.slice(start, start + batchSize)));
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const startedAt = performance.now();
  for (const lines of batches) {
    const stream = client.query(copyFrom(copyUsageEvents.over('usage_events').text));
    stream.end(lines);
    await finished(stream);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const { rows } = await client.query<{ rows: string }>('select count(*) as rows from usage_events');
  await client.end();
  return Number(rows[0]?.rows) / seconds;
}

function linesOf(bodies: readonly Buffer[]): Buffer {
  const events = bodies.flatMap((body) => decodeUsageMessage(body, RULES, Date.now(), null).events);
  return Buffer.from(`${events.map(({ event }) => event.copyLine).join('\n')}\n`);
}
