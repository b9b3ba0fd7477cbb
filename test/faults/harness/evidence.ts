import type { Pool } from 'pg';
import { pause } from '../../../src/cli/servers/server-program';
import { DAY_MS, HOUR_MS } from '../../../src/shared/time-zone';
import { csvRows } from '../../support/csv';
import { AmountTable, costUnits } from './amounts';
import { type Entry, readJournal } from './journal';
import type { Replica } from './replica';
import { ORG_IDS } from './workload';

/** One row of `usage_events`. */
export interface StoredEvent {
  readonly orgId: string;
  readonly eventId: string;
  readonly modelId: string;
  readonly occurredAt: Date;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: string;
}

/** Everything the oracles judge: what the sender knows, and what every layer of the system says at rest. */
export interface Evidence {
  readonly journal: ReadonlyMap<string, Entry>;
  readonly stored: readonly StoredEvent[];
  /** How many rows the quarantine has by what each message can be known by. */
  readonly quarantined: ReadonlyMap<string, number>;
  /** Amounts by the name of the layer; by hour unless said otherwise. */
  readonly layers: ReadonlyMap<string, AmountTable>;
  readonly dailyRollup: AmountTable;
  /** What layers answered that no amount can be made of, or that they did not answer at all. */
  readonly unreadable: readonly string[];
  /** Incidents: events that occurred between these may be missing. */
  readonly gaps: readonly { readonly from: Date | null; readonly through: Date }[];
}

const COUNTS = 'sum(requests)::text as requests, sum(input_tokens)::text as input_tokens, sum(output_tokens)::text as output_tokens, trim_scale(sum(cost))::text as cost'; // prettier-ignore
const ROLLUPS = ['usage_15min', 'usage_hourly'] as const;
const POISON_ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

interface RollupRow {
  readonly org_id: string;
  readonly model_id: string;
  readonly bucket: Date;
  readonly requests: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cost: string;
}

/** `expired`: events whose rows are gone on purpose; they count as stored, and their rollups must be what they were. */
export async function gather(
  journal: string,
  pool: Pool,
  replicas: readonly Replica[],
  expired: readonly StoredEvent[],
): Promise<Evidence> {
  const unreadable: string[] = [];
  const layers = new Map<string, AmountTable>();
  const stored = [...(await readStored(pool)), ...expired];
  const raw = new AmountTable();
  for (const { orgId, modelId, occurredAt, inputTokens, outputTokens, cost } of stored) {
    const amounts = {
      requests: 1n,
      inputTokens: BigInt(inputTokens),
      outputTokens: BigInt(outputTokens),
      cost: costUnits(cost),
    };
    raw.add(orgId, modelId, occurredAt, amounts);
  }
  layers.set('usage_events', raw.by(HOUR_MS));
  for (const relation of ROLLUPS) layers.set(relation, (await readRollup(pool, relation)).by(HOUR_MS));
  const up = replicas.filter(({ isUp }) => isUp);
  for (const replica of up) {
    layers.set(`API of ${replica.name}`, await readable(unreadable, () => readApi(replica)));
  }
  const [first] = up;
  if (first) layers.set('exports', await readable(unreadable, () => readExports(first)));
  const { rows: gaps } = await pool.query<Evidence['gaps'][number]>(
    'select data_from as "from", data_through as "through" from data_gaps where acknowledged_at is null',
  );
  return {
    journal: readJournal(journal),
    stored,
    quarantined: await readQuarantined(pool),
    layers,
    dailyRollup: await readRollup(pool, 'usage_daily'),
    unreadable,
    gaps,
  };
}

async function readable(complaints: string[], read: () => Promise<AmountTable>): Promise<AmountTable> {
  try {
    return await read();
  } catch (error) {
    complaints.push(String(error));
    return new AmountTable();
  }
}

export async function readStored(pool: Pool): Promise<StoredEvent[]> {
  const { rows } = await pool.query<StoredEvent>(
    `select org_id as "orgId", event_id as "eventId", model_id as "modelId", occurred_at as "occurredAt",
       input_tokens as "inputTokens", output_tokens as "outputTokens", cost::text as cost
     from usage_events`,
  );
  return rows;
}

async function readQuarantined(pool: Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ event_id: string | null; payload: Buffer }>(
    'select event_id, payload from quarantined_events',
  );
  const counts = new Map<string, number>();
  for (const { event_id, payload } of rows) {
    const id = event_id ?? POISON_ID.exec(payload.toString())?.[0] ?? payload.toString();
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

async function readRollup(pool: Pool, relation: string): Promise<AmountTable> {
  const { rows } = await pool.query<RollupRow>(
    `select org_id, model_id, bucket, ${COUNTS} from ${relation} group by 1, 2, 3`,
  );
  const table = new AmountTable();
  for (const { org_id, model_id, bucket, requests, input_tokens, output_tokens, cost } of rows) {
    const amounts = {
      requests: BigInt(requests),
      inputTokens: BigInt(input_tokens),
      outputTokens: BigInt(output_tokens),
      cost: costUnits(cost),
    };
    table.add(org_id, model_id, bucket, amounts);
  }
  return table;
}

interface UsageRow {
  readonly time: string;
  readonly modelId: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costExact: string;
}

/** Hours of the week that events of the workload lie in. */
function window(): { start: string; end: string } {
  const end = Math.floor(Date.now() / HOUR_MS + 1) * HOUR_MS;
  return { start: new Date(end - 7 * DAY_MS).toISOString(), end: new Date(end).toISOString() };
}

async function readApi(replica: Replica): Promise<AmountTable> {
  const table = new AmountTable();
  const { start, end } = window();
  for (const orgId of ORG_IDS) {
    const path = `/orgs/${orgId}/usage?start=${start}&end=${end}&granularity=hour&groupBy=model`;
    const { series } = await answerOf<{ series: UsageRow[] }>(await replica.ask(path));
    for (const { time, modelId, requests, inputTokens, outputTokens, costExact } of series) {
      const amounts = {
        requests: BigInt(requests),
        inputTokens: BigInt(inputTokens),
        outputTokens: BigInt(outputTokens),
        cost: costUnits(costExact),
      };
      table.add(orgId, modelId, new Date(time), amounts);
    }
  }
  return table;
}

async function readExports(replica: Replica): Promise<AmountTable> {
  const body = { window: window(), granularity: 'hourly' };
  const jobs = await Promise.all(
    ORG_IDS.map(async (orgId) => {
      const job = await answerOf<{ jobId: string }>(await replica.ask(`/orgs/${orgId}/exports`, { body }));
      return { orgId, path: `/orgs/${orgId}/exports/${job.jobId}` };
    }),
  );
  const table = new AmountTable();
  for (const { orgId, path } of jobs) {
    await succeeded(replica, path);
    const file = await replica.ask(`${path}/download`);
    if (!file.ok) throw new Error(`${path}/download answers ${file.status}.`);
    for (const row of csvRows(await file.text())) {
      const amounts = {
        requests: BigInt(row['requests'] ?? 'absent'),
        inputTokens: BigInt(row['inputTokens'] ?? 'absent'),
        outputTokens: BigInt(row['outputTokens'] ?? 'absent'),
        cost: costUnits(row['cost'] ?? 'absent'),
      };
      if (row['orgId'] !== orgId) throw new Error(`The export of ${orgId} has a row of ${row['orgId']}.`);
      table.add(orgId, row['modelId'] ?? '', new Date(row['bucketStart'] ?? ''), amounts);
    }
  }
  return table;
}

async function succeeded(replica: Replica, path: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { state, failure } = await answerOf<{ state: string; failure?: string }>(await replica.ask(path));
    if (state === 'succeeded') return;
    if (state === 'failed' || Date.now() > deadline) {
      throw new Error(`The export ${path} is ${state}: ${failure ?? ''}`);
    }
    await pause(150);
  }
}

async function answerOf<Body>(answer: Response): Promise<Body> {
  if (!answer.ok) throw new Error(`${answer.url} answers ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Body;
}
