import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { pageOf, positionOf } from '../../shared/list-cursor';
import type { Reaggregation, ReaggregationState } from '../reaggregation.entity';
import { Reaggregations } from '../reaggregations.repository';

export interface ReaggregationPage {
  /** Newest first. */
  readonly jobs: readonly Reaggregation[];
  readonly nextCursor: string | null;
}

export class ListReaggregationsQuery extends Query<ReaggregationPage> {
  constructor(
    readonly state: ReaggregationState | null,
    readonly cursor: string | undefined,
    readonly limit: number,
  ) {
    super();
  }
}

@QueryHandler(ListReaggregationsQuery)
export class ListReaggregationsHandler implements IQueryHandler<ListReaggregationsQuery> {
  constructor(private readonly jobs: Reaggregations) {}

  async execute({ state, cursor, limit }: ListReaggregationsQuery): Promise<ReaggregationPage> {
    const found = await this.jobs.list(state, positionOf(cursor), limit + 1);
    const rows = found.map((job) => ({
      id: job.jobId,
      micros: String(job.requestedAt.getTime() * 1_000),
      job,
    }));
    const page = pageOf(rows, limit);
    return { jobs: page.rows.map(({ job }) => job), nextCursor: page.nextCursor };
  }
}
