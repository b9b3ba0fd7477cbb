import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { type Freshness, GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import { dataThrough, isPastLateEvents, reachOf } from '../reach';

const windowFreshness = sql('freshness/window-freshness');

interface WindowRow {
  readonly cursors: number;
  readonly data_through: Date | null;
  readonly is_dirty: boolean;
  readonly open_gaps: number;
}

/** Answers the freshness block of every answer; one statement on small tables. */
@QueryHandler(GetFreshnessQuery)
export class GetFreshnessHandler implements IQueryHandler<GetFreshnessQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
  ) {}

  async execute({ orgId, window }: GetFreshnessQuery): Promise<Freshness> {
    const { config } = this;
    const now = this.clock.now();
    const hasBroker = config.amqpUrl !== null;
    const { rows } = await this.pool.query<WindowRow>({
      ...windowFreshness,
      values: [
        orgId,
        new Date(window.start),
        new Date(window.end),
        now,
        config.ingestPartitions,
        config.lateHorizon,
        hasBroker,
      ],
    });
    const [row] = rows;
    if (!row) throw new Error('The statement of a window’s freshness answered nothing.');
    const pipeline = { cursors: row.cursors, dataThrough: row.data_through };
    const through = dataThrough(pipeline, { hasBroker, partitions: config.ingestPartitions }, now);
    const isOver = isPastLateEvents(window.end, { through, now, lateHorizon: config.lateHorizon });
    return {
      ...reachOf(through, config, now),
      openGaps: row.open_gaps,
      final: isOver && !row.is_dirty && row.open_gaps === 0,
    };
  }
}
