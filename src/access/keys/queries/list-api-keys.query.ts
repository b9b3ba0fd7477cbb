import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { AppError } from '../../../shared/errors';
import type { OrgScope } from '../../principal';
import type { ApiKey } from '../api-key.entity';
import { ApiKeyRows } from '../api-key-rows.repository';

export interface ApiKeyPage {
  readonly keys: readonly ApiKey[];
  /** Id of the last key of the page; `null` on the last page. */
  readonly nextCursor: string | null;
}

/** Keys that were made by API, newest first, also those that are over. */
export class ListApiKeysQuery extends Query<ApiKeyPage> {
  constructor(
    readonly scope: OrgScope | null,
    readonly cursor: string | undefined,
    readonly limit: number,
  ) {
    super();
  }
}

@QueryHandler(ListApiKeysQuery)
export class ListApiKeysHandler implements IQueryHandler<ListApiKeysQuery> {
  constructor(private readonly rows: ApiKeyRows) {}

  async execute({ scope, cursor, limit }: ListApiKeysQuery): Promise<ApiKeyPage> {
    const after = cursor === undefined ? null : await this.rows.find(scope, cursor).catch(refuseCursor);
    const found = await this.rows.list(scope, after, limit + 1);
    const keys = found.slice(0, limit);
    return { keys, nextCursor: found.length > limit ? (keys.at(-1)?.keyId ?? null) : null };
  }
}

/** What is no key here, is no cursor here. */
function refuseCursor(error: unknown): never {
  if (!(error instanceof AppError) || error.kind !== 'not_found') throw error;
  throw AppError.invalidParameter('cursor', 'must be the nextCursor of the page before.');
}
