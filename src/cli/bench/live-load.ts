import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { BatchLedger } from '../../ingestion/batch-ledger';
import { HOUR_MS } from '../../platform/database/bucket-windows';
import { sql } from '../../platform/database/sql';
import { seededRandom } from '../demo/seeded-random';
import { orgIdOf } from './load-shape';
import { copyEvents, eventLine, type ReadShape, recentEvents } from './read-dataset';

const holdWatermark = sql('ingestion/hold-watermark');
const noteDirtyWindows = sql('ingestion/note-dirty-windows');

/** What readers and finance wait for while events come, in seconds. */
export interface LiveFigures {
  /** What lay above the watermark is added up for each question. */
  readonly watermarkAge: { readonly p50: number; readonly longest: number };
  /** Since the last late event of a dirty window; its first one has waited longer. */
  readonly longestDirty: number;
}

/**
 * Adds what occurs to the events of a dataset, in a transaction every second, as ingestion commits it: `liveRate` events
 * of that second, and `lateRate` of the hour before, whose windows are noted as dirty.
 */
export class LiveLoad {
  private readonly stopping = new AbortController();
  private readonly ages: number[] = [];
  private longestDirty = 0;
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
    const ages = this.ages.sort((a, b) => a - b);
    return {
      watermarkAge: { p50: ages[Math.floor(ages.length / 2)] ?? 0, longest: ages.at(-1) ?? 0 },
      longestDirty: this.longestDirty,
    };
  }

  private async load(): Promise<void> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      let from = Date.now();
      while (!this.stopping.signal.aborted) {
        await sleep(1_000, undefined, { signal: this.stopping.signal }).catch(() => undefined);
        const to = Date.now();
        await this.addBatch(client, from, to);
        await this.lookAtRollups(client);
        from = to;
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
    // A fraction of an event comes as often.
    for (let late = Math.floor(lateRate * seconds + random()); late > 0; late -= 1) {
      const orgId = orgIdOf(Math.floor(orgs * random() ** 2));
      const at = to - Math.floor(random() * HOUR_MS);
      lines.push(eventLine(orgId, Math.floor(models * random()), Math.floor(clients * random()), at, random));
      ledger.add('stored', orgId, at);
    }
    await copyEvents(client, lines);
    const dirty = ledger.dirtyColumns();
    if (dirty) await client.query(noteDirtyWindows.text, dirty);
    await client.query('commit');
  }

  private async lookAtRollups(client: Client): Promise<void> {
    const { rows } = await client.query<{ age: number; dirty: number }>(
      `select
         extract(epoch from now() - materialized_through)::integer as age,
         (select coalesce(extract(epoch from now() - min(noted_at)), 0)::integer from dirty_windows) as dirty
       from rollup_state`,
    );
    const [row] = rows;
    if (!row) return;
    this.ages.push(row.age);
    this.longestDirty = Math.max(this.longestDirty, row.dirty);
  }
}
