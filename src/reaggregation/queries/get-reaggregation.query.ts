import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { Reaggregation } from '../reaggregation.entity';
import { Reaggregations } from '../reaggregations.repository';

export class GetReaggregationQuery extends Query<Reaggregation> {
  constructor(readonly jobId: string) {
    super();
  }
}

@QueryHandler(GetReaggregationQuery)
export class GetReaggregationHandler implements IQueryHandler<GetReaggregationQuery> {
  constructor(private readonly jobs: Reaggregations) {}

  execute({ jobId }: GetReaggregationQuery): Promise<Reaggregation> {
    return this.jobs.find(jobId);
  }
}
