import { INSTANT_FORMS } from '../shared/time-window';
import { GroupBy, Names, Text, WholeNumber } from './parameters.decorators';
import { WindowParameters } from './series-parameters.dto';

const ERROR_GROUPS = ['model', 'client'] as const;

export class ErrorsParameters extends WindowParameters {
  @GroupBy(ERROR_GROUPS, 'A row per error code and each of these.')
  groupBy?: (typeof ERROR_GROUPS)[number][];

  @Names('Only these models.', 'meta/llama-3-70b')
  modelId?: string[];

  @Names('Only these clients.', 'checkout-service')
  clientId?: string[];

  @WholeNumber(1, 1_000, { default: 50, description: 'How many rows, the most frequent first.' })
  limit?: number;
}

/** A page of what exists. */
export class ListParameters {
  @Text(40, { default: 'now-30d', example: 'now-7d', description: `Included: ${INSTANT_FORMS}. Moved back to the start of its day in UTC.` }) // prettier-ignore
  start?: string;

  @Text(40, { default: 'now', example: 'now', description: 'Excluded, in the same forms. Moved on to the end of its day in UTC.' }) // prettier-ignore
  end?: string;

  @WholeNumber(1, 10_000, { default: 1_000, description: 'Rows of a page at most.' })
  limit?: number;

  @Text(2_000, { description: 'nextCursor of the page before, with the same other parameters.' })
  cursor?: string;
}

export class ModelsParameters extends ListParameters {
  @Names('Only models that these clients used.', 'checkout-service')
  clientId?: string[];
}

export class ClientsParameters extends ListParameters {
  @Names('Only clients that used these models.', 'meta/llama-3-70b')
  modelId?: string[];
}
