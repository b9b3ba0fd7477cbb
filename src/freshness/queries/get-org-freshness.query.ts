import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { AnswerCache } from '../../platform/cache/answer-cache';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { DAY_MS } from '../../shared/time-zone';
import type { OrgFreshness } from '../freshness.dto';
import { dataThrough, reachOf } from '../reach';

const pipelineReach = sql('freshness/pipeline-reach');
const models = sql('freshness/models');
const lastEvent = sql('freshness/last-event');

/** Models used within this are listed. */
const RECENT_MS = DAY_MS;
const MOST_MODELS = 1_000;

/** How far an organisation's data reaches and how late it is. At most FRESHNESS_CACHE_TTL old. */
export class GetOrgFreshnessQuery extends Query<OrgFreshness> {
  constructor(readonly scope: OrgScope) {
    super();
  }
}

interface LastEvent {
  readonly last_event_at: Date;
  readonly last_arrival_at: Date;
}
/** What is cached: times only, so that the lag is that of the moment of the answer. */
interface Observation {
  readonly direct: boolean;
  readonly dataThrough: string | null;
  readonly openGaps: number;
  readonly watermark: string | null;
  readonly lastEventAt: string | null;
  readonly lastArrivalAt: string | null;
  readonly models: readonly { modelId: string; lastEventAt: string; lastArrivalAt: string }[];
}

@QueryHandler(GetOrgFreshnessQuery)
export class GetOrgFreshnessHandler implements IQueryHandler<GetOrgFreshnessQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
    private readonly cache: AnswerCache,
  ) {}

  async execute({ scope: { orgId } }: GetOrgFreshnessQuery): Promise<OrgFreshness> {
    const { freshnessCacheTtl } = this.config;
    const seen = await this.cache.wrap(`freshness/${orgId}`, freshnessCacheTtl, () => this.observe(orgId));
    const now = this.clock.now();
    const through = seen.direct ? now : seen.dataThrough && new Date(seen.dataThrough);
    const { openGaps, watermark, lastEventAt, lastArrivalAt } = seen;
    const reach = reachOf(through || null, this.config, now);
    const { lagSeconds, status } = reach;
    return {
      orgId,
      ...reach,
      openGaps,
      watermark,
      lastEventAt,
      lastArrivalAt,
      models: seen.models.map((model) => ({ ...model, watermark, lagSeconds, status })),
      nextCursor: null,
    };
  }

  private async observe(orgId: string): Promise<Observation> {
    const now = this.clock.now();
    const pipeline = await this.readPipeline(now);
    const since = new Date(now.getTime() - RECENT_MS);
    const { rows } = await this.pool.query<LastEvent & { model_id: string }>({
      ...models,
      values: [orgId, since, MOST_MODELS],
    });
    const [latest] = rows.length > 0 ? [latestOf(rows)] : await this.readLastEvent(orgId);
    return {
      ...pipeline,
      lastEventAt: latest?.last_event_at.toISOString() ?? null,
      lastArrivalAt: latest?.last_arrival_at.toISOString() ?? null,
      models: rows.map(({ model_id: modelId, last_event_at, last_arrival_at }) => ({
        modelId,
        lastEventAt: last_event_at.toISOString(),
        lastArrivalAt: last_arrival_at.toISOString(),
      })),
    };
  }

  private async readPipeline(
    now: Date,
  ): Promise<Pick<Observation, 'direct' | 'dataThrough' | 'openGaps' | 'watermark'>> {
    const { ingestPartitions: partitions, amqpUrl } = this.config;
    const hasBroker = amqpUrl !== null;
    const { rows } = await this.pool.query<{
      cursors: number;
      data_through: Date | null;
      materialized_through: Date | null;
      open_gaps: number;
    }>({ ...pipelineReach, values: [now, partitions, hasBroker] });
    const [row] = rows;
    const state = { cursors: row?.cursors ?? 0, dataThrough: row?.data_through ?? null };
    const through = dataThrough(state, { hasBroker, partitions }, now);
    return {
      direct: through?.getTime() === now.getTime(),
      dataThrough: through?.toISOString() ?? null,
      openGaps: row?.open_gaps ?? 0,
      watermark: row?.materialized_through?.toISOString() ?? null,
    };
  }

  private async readLastEvent(orgId: string): Promise<LastEvent[]> {
    const { rows } = await this.pool.query<LastEvent>({ ...lastEvent, values: [orgId] });
    return rows;
  }
}

function latestOf(rows: readonly LastEvent[]): LastEvent | undefined {
  return rows.reduce((latest, row) => (row.last_event_at > latest.last_event_at ? row : latest));
}
