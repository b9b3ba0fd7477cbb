import { INSTANT_FORMS } from '../shared/time-window';
import { type Granularity, GRANULARITIES } from '../shared/time-zone';
import { GroupBy, Many, Names, OneOf, OrgIds, Text, WholeNumber } from './parameters.decorators';

export const USAGE_ORDERS = ['requests', 'inputTokens', 'cachedInputTokens', 'outputTokens', 'totalTokens', 'cost'] as const; // prettier-ignore
export const RELIABILITY_ORDERS = ['requests', 'successes', 'errors', 'timeouts', 'throttled', 'latencyMaxMs'] as const; // prettier-ignore
export type Order = (typeof USAGE_ORDERS)[number] | (typeof RELIABILITY_ORDERS)[number];

const ORG_GROUPS = ['model', 'client', 'status'] as const;
const PLATFORM_GROUPS = ['org', 'model', 'client'] as const;
const BY_GROUP = 'A row per bucket and each of these, in any combination.';
const MOST_PERCENTILES = 10;
const PERCENTILE = /^(none|100(\.0{1,3})?|(?!0+(\.0*)?$)\d{1,2}(\.\d{1,3})?)$/;

/** What range of time a question is about. Without any it is the last 24 hours. */
export class WindowParameters {
  @Text(40, { default: 'now-24h', example: '2026-11-01T00:00:00Z', description: `Included: ${INSTANT_FORMS}. Moved back to the start of its bucket.` }) // prettier-ignore
  start?: string;

  @Text(40, { default: 'now', example: 'now', description: 'Excluded, in the same forms. Moved on to the end of its bucket.' }) // prettier-ignore
  end?: string;

  @Text(60, { default: 'UTC', example: 'Europe/Berlin', description: 'Zone of the IANA database in which hours, days, weeks and months begin.' }) // prettier-ignore
  timezone?: string;
}

/** A window cut into buckets, of all requests or of some models and clients. */
export class BucketParameters extends WindowParameters {
  @OneOf([...GRANULARITIES, 'auto'], { default: 'auto', description: 'Length of a bucket; weeks begin on Monday. auto: the finest with at most maxPoints buckets that needs no days of single events.' }) // prettier-ignore
  granularity?: Granularity | 'auto';

  @WholeNumber(1, 100_000, { default: 400, description: 'With granularity=auto: about how many buckets.' })
  maxPoints?: number;

  @Names('Only these models.', 'meta/llama-3-70b')
  modelId?: string[];

  @Names('Only these clients.', 'checkout-service')
  clientId?: string[];
}

/** The parameters that every question for a series has in common. */
export class SeriesParameters extends BucketParameters {
  @OneOf(['none', 'zero'], { default: 'none', description: 'zero: a row also for buckets without requests that have begun.' }) // prettier-ignore
  fill?: 'none' | 'zero';

  @WholeNumber(1, 1_000, { description: 'Only the groups that lead by orderBy over the window; the rest is one group "other", so that totals hold.' }) // prettier-ignore
  limit?: number;

  @OneOf(['previous'], { description: 'Adds the same number of buckets directly before.' })
  compare?: 'previous';
}

function OrderBy(orders: readonly string[]): PropertyDecorator {
  return OneOf(orders, {
    default: 'requests',
    description: 'Measure by which limit chooses groups, largest first.',
  });
}

export function Percentiles(): PropertyDecorator {
  return Many({
    options: {
      type: String,
      default: ['50', '95', '99'],
      description: 'Columns p50Ms, p99_9Ms and so on; or none.',
      example: ['50', '99.9'],
    },
    allowed: 'numbers above 0, up to 100, with at most 3 decimals, or none',
    isAllowed: (value) => PERCENTILE.test(value),
    most: MOST_PERCENTILES,
    empty: '50, 95 and 99',
  });
}

export class UsageParameters extends SeriesParameters {
  @GroupBy(ORG_GROUPS, BY_GROUP)
  groupBy?: (typeof ORG_GROUPS)[number][];

  @OrderBy(USAGE_ORDERS)
  orderBy?: (typeof USAGE_ORDERS)[number];
}

export class ReliabilityParameters extends SeriesParameters {
  @GroupBy(ORG_GROUPS, BY_GROUP)
  groupBy?: (typeof ORG_GROUPS)[number][];

  @OrderBy(RELIABILITY_ORDERS)
  orderBy?: (typeof RELIABILITY_ORDERS)[number];

  @Percentiles()
  percentile?: string[];
}

export class PlatformUsageParameters extends SeriesParameters {
  @GroupBy(PLATFORM_GROUPS, BY_GROUP)
  groupBy?: (typeof PLATFORM_GROUPS)[number][];

  @OrgIds()
  orgId?: string[];

  @OrderBy(USAGE_ORDERS)
  orderBy?: (typeof USAGE_ORDERS)[number];
}

export class PlatformReliabilityParameters extends SeriesParameters {
  @GroupBy(PLATFORM_GROUPS, BY_GROUP)
  groupBy?: (typeof PLATFORM_GROUPS)[number][];

  @OrgIds()
  orgId?: string[];

  @OrderBy(RELIABILITY_ORDERS)
  orderBy?: (typeof RELIABILITY_ORDERS)[number];

  @Percentiles()
  percentile?: string[];
}

export class SummaryParameters extends BucketParameters {
  @Percentiles()
  percentile?: string[];
}
