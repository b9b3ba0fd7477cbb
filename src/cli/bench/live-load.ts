import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { BatchLedger } from '../../ingestion/batch-ledger';
import { HOUR_MS } from '../../platform/database/bucket-windows';
import { sql } from '../../platform/database/sql';
import { seededRandom } from '../demo/seeded-random';
import { orgIdOf } from './load-shape';
import { copyEvents, eventLine, newestEvent, type ReadShape, recentEvents } from './read-dataset';

const holdWatermark = sql('ingestion/hold-watermark');
const noteDirtyWindows = sql('ingestion/note-dirty-windows');

/** Nobody else has events of it. */
const LATE_ORG = orgIdOf(0xfffe);

/** Seconds. */
interface Spread {
  readonly p50: number;
  readonly longest: number;
  readonly of: number;
}

/** What readers and finance wait for while events come. */
export interface LiveFigures {
  /** How old the watermark was, each second: what lies above is added up for each question. */
  readonly watermarkAge: Spread;
  /** From the commit of a late event until `usage_hourly` had it, one such event after the other. */
  readonly lateEventWaited: Spread;
}

/**
 * Adds what occurs to the events of a dataset, in a transaction every second, as ingestion commits it: `liveRate` events
 * of that second, and `lateRate` of the hour before; whatever lies below the watermark is noted as dirty.
 */
export class LiveLoad {
  private readonly stopping = new AbortController();
  private readonly ages: number[] = [];
  private readonly waits: number[] = [];
  /** Late events of LATE_ORG, and since when the last of them has been waited for. */
  private late = { events: 0, waiting: false, since: 0 };
  private readonly loading: Promise<void>;

  constructor(
    private readonly databaseUrl: string,
    private readonly shape: ReadShape,
  ) {
    this.loading = this.load();
    // Told by `stop`.
    this.loading.catch(() => undefined);
  }

  /** Rejects with what the database refused. */
  async stop(): Promise<LiveFigures> {
    this.stopping.abort();
    await this.loading;
    return { watermarkAge: spreadOf(this.ages), lateEventWaited: spreadOf(this.waits) };
  }

  private async load(): Promise<void> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      this.late.events = await this.seenOfLateOrg(client);
      let from = (await newestEvent(client)) ?? Date.now();
      while (!this.stopping.signal.aborted) {
        const to = Date.now();
        await this.addBatch(client, from, to);
        await this.lookAtRollups(client);
        from = to;
        await sleep(1_000, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    } finally {
      await client.end();
    }
  }

  private async addBatch(client: Client, from: number, to: number): Promise<void> {
    const random = seededRandom(this.shape.seed + to);
    const { liveRate, lateRate, orgs, models, clients } = this.shape;
    const seconds = (to - from) / 1_000;
    await client.query('begin');
    const { rows } = await client.query<{ watermark_ms: number }>(holdWatermark.text);
    const ledger = new BatchLedger(rows[0]?.watermark_ms ?? -Infinity);
    const events = Math.floor((liveRate ?? 0) * seconds);
    const lines = [...recentEvents({ ...this.shape, events, seed: this.shape.seed + to }, from, to)];
    const lateOrgs = Array.from({ length: Math.floor(lateRate * seconds) }, () =>
      orgIdOf(Math.floor(orgs * random() ** 2)),
    );
    if (lateRate > 0 && !this.late.waiting) lateOrgs.push(LATE_ORG);
    for (const orgId of lateOrgs) {
      const at = to - Math.floor(random() * HOUR_MS);
      lines.push(eventLine(orgId, Math.floor(models * random()), Math.floor(clients * random()), at, random));
    }
    for (const line of lines) {
      const [occurredAt = '', orgId = ''] = line.split('\t', 2);
      ledger.add('stored', orgId, Date.parse(occurredAt));
    }
    await copyEvents(client, lines);
    const dirty = ledger.dirtyColumns();
    if (dirty) await client.query(noteDirtyWindows.text, dirty);
    await client.query('commit');
    if (lateOrgs.includes(LATE_ORG))
      this.late = { events: this.late.events + 1, waiting: true, since: performance.now() };
  }

  private async lookAtRollups(client: Client): Promise<void> {
    const { rows } = await client.query<{ age: number }>(
      'select extract(epoch from now() - materialized_through)::integer as age from rollup_state',
    );
    if (rows[0]) this.ages.push(rows[0].age);
    if (!this.late.waiting || (await this.seenOfLateOrg(client)) < this.late.events) return;
    this.waits.push(Math.round((performance.now() - this.late.since) / 1_000));
    this.late.waiting = false;
  }

  private async seenOfLateOrg(client: Client): Promise<number> {
    const { rows } = await client.query<{ requests: number }>(
      `select coalesce(sum(requests), 0)::integer as requests
       from usage_hourly where org_id = $1 and bucket > now() - interval '3 days'`,
      [LATE_ORG],
    );
    return rows[0]?.requests ?? 0;
  }
}

function spreadOf(seconds: readonly number[]): Spread {
  const ascending = [...seconds].sort((a, b) => a - b);
  const of = ascending.length;
  return { p50: ascending[Math.ceil(of / 2) - 1] ?? 0, longest: ascending.at(-1) ?? 0, of };
}
