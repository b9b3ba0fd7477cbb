import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { ApiPool } from '../../platform/database/pools';
import { sqlOver } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { GetSpendQuery } from '../../shared/messages/get-spend.query';
import { chooseRelation, type Relation, ROLLUPS } from '../choose-relation';
import { QuestionLimits } from '../question-limits';
import { inReadingTransaction } from '../reading-transaction';

const spend = sqlOver<Relation>('aggregation/spend', ROLLUPS);

/** Throws `unanswerable` where the buckets reach behind what is kept. */
@QueryHandler(GetSpendQuery)
export class GetSpendHandler implements IQueryHandler<GetSpendQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly limits: QuestionLimits,
    private readonly pool: ApiPool,
  ) {}

  async execute({ orgId, buckets }: GetSpendQuery): Promise<readonly string[]> {
    const demand = { of: 'counts', buckets, dimensions: new Set<never>(), platformWide: false } as const;
    const relation = chooseRelation(demand, await this.limits.read(), this.clock.now());
    const { rows } = await inReadingTransaction(this.pool, (client) =>
      client.query<{ index: number; cost: string }>({
        ...spend.over(relation),
        values: [
          orgId,
          new Date(buckets.start),
          new Date(buckets.end),
          buckets.starts.map((start) => new Date(start).toISOString()),
        ],
      }),
    );
    const costs = new Map(rows.map(({ index, cost }) => [index, cost]));
    return buckets.starts.map((_, index) => costs.get(index) ?? '0');
  }
}
