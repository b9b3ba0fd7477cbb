import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../../access/principal';
import type { QuarantinedEventDetail } from '../quarantine.dto';
import { detailOf, QuarantinedEvents } from '../quarantined-events';

/** One quarantined event with what arrived; a scope of `null` is that of the platform. */
export class GetQuarantinedEventQuery extends Query<QuarantinedEventDetail> {
  constructor(
    readonly scope: OrgScope | null,
    readonly quarantineId: string,
  ) {
    super();
  }
}

@QueryHandler(GetQuarantinedEventQuery)
export class GetQuarantinedEventHandler implements IQueryHandler<GetQuarantinedEventQuery> {
  constructor(private readonly quarantine: QuarantinedEvents) {}

  async execute({ scope, quarantineId }: GetQuarantinedEventQuery): Promise<QuarantinedEventDetail> {
    return detailOf(await this.quarantine.get(scope, quarantineId));
  }
}
