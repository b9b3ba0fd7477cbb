import { Query } from '@nestjs/cqrs';
import type { Buckets } from '../time-window';

/** What an organisation spent in each of the buckets, in their order: exact decimals. */
export class GetSpendQuery extends Query<readonly string[]> {
  constructor(
    readonly orgId: string,
    readonly buckets: Buckets,
  ) {
    super();
  }
}
