import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { ApiPool } from '../platform/database/pools';
import { sql } from '../platform/database/sql';

const countOpenDataGaps = sql('ingestion/count-open-data-gaps');
const COUNT_AGAIN_AFTER_MS = 10_000;

let lastCount: () => number | undefined = () => undefined;

new Gauge({
  name: 'ingest_open_data_gaps',
  help: 'Parts of the streams that were lost and that nobody has acknowledged, as of the scrape before.',
  collect() {
    const open = lastCount();
    if (open === undefined) this.remove();
    else this.set(open);
  },
});

/** Counts beside the scrapes, never in one: a database that is away must not take the metrics with it. */
@Injectable()
export class OpenDataGapsMetric {
  private open: number | undefined;
  private countedAt = -Infinity;

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly pool: ApiPool,
  ) {
    lastCount = () => this.lastCount();
  }

  /** `undefined` before the first count and in processes that only answer requests. */
  private lastCount(): number | undefined {
    const isDue = performance.now() - this.countedAt >= COUNT_AGAIN_AFTER_MS;
    if (isDue && this.schema.status.state === 'ready' && this.counts()) {
      this.countedAt = performance.now();
      // Readiness says when the database is away; the last count stands meanwhile.
      this.count().catch(() => undefined);
    }
    return this.open;
  }

  private counts(): boolean {
    return this.config.serviceRoles.some((role) => role !== 'api');
  }

  private async count(): Promise<void> {
    const { rows } = await this.pool.query<{ open: number }>(countOpenDataGaps);
    this.open = rows[0]?.open;
  }
}
