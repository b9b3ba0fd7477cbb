import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { exactInteger, ratioOf, rounded } from '../../shared/decimal';
import type { IngestionAnswer, PartitionIngestion } from '../freshness.dto';
import { reachOf } from '../reach';

const ingestion = sql('freshness/ingestion');

/** Rates are those of the last five minutes. */
const OBSERVED_SECONDS = 300;

/** How the intake goes, partition by partition. */
export class GetIngestionQuery extends Query<IngestionAnswer> {}

interface PartitionRow {
  readonly partition: number;
  readonly owner: string | null;
  readonly epoch: string;
  readonly incarnation: number;
  readonly nextOffset: string;
  readonly backlog: string;
  readonly dataThrough: Date | null;
  readonly lastCommitAt: Date | null;
  readonly openGaps: number;
  readonly received: string;
  readonly stored: string;
  readonly duplicates: string;
  readonly rejected: string;
}

@QueryHandler(GetIngestionQuery)
export class GetIngestionHandler implements IQueryHandler<GetIngestionQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
  ) {}

  async execute(): Promise<IngestionAnswer> {
    const now = this.clock.now();
    const { rows } = await this.pool.query<PartitionRow>({
      ...ingestion,
      values: [new Date(now.getTime() - OBSERVED_SECONDS * 1_000)],
    });
    return {
      observedSeconds: OBSERVED_SECONDS,
      partitions: rows.map((row) => this.describe(row, now)),
      nextCursor: null,
    };
  }

  private describe(row: PartitionRow, now: Date): PartitionIngestion {
    const through = row.owner === 'direct' ? now : row.dataThrough;
    return {
      partition: row.partition,
      owner: row.owner,
      epoch: exactInteger(row.epoch),
      incarnation: row.incarnation,
      nextOffset: exactInteger(row.nextOffset),
      backlog: exactInteger(row.backlog),
      ...reachOf(through, this.config, now),
      lastCommitAt: row.lastCommitAt?.toISOString() ?? null,
      eventsPerSecond: rounded(Number(row.received) / OBSERVED_SECONDS, 3),
      received: exactInteger(row.received),
      stored: exactInteger(row.stored),
      dedupeRate: ratioOf(row.duplicates, row.received),
      rejectRate: ratioOf(row.rejected, row.received),
      openGaps: row.openGaps,
    };
  }
}
