import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { AppError } from '../../shared/errors';
import type { ExportJob, ExportState } from '../export-job.entity';
import { ExportJobs, type ListPosition } from '../export-jobs.repository';

export interface ExportPage {
  /** Newest first. */
  readonly jobs: readonly ExportJob[];
  /** `null` on the last page. */
  readonly nextCursor: string | null;
}

export class ListExportsQuery extends Query<ExportPage> {
  constructor(
    readonly scope: OrgScope,
    readonly page: {
      /** Empty: all. */
      readonly states: readonly ExportState[];
      readonly cursor: string | null;
      readonly limit: number;
    },
  ) {
    super();
  }
}

@QueryHandler(ListExportsQuery)
export class ListExportsHandler implements IQueryHandler<ListExportsQuery> {
  constructor(private readonly repository: ExportJobs) {}

  async execute({ scope, page: { states, cursor, limit } }: ListExportsQuery): Promise<ExportPage> {
    const after = cursor === null ? null : positionOf(cursor);
    const found = await this.repository.list(scope, { states, after, limit: limit + 1 });
    const jobs = found.slice(0, limit);
    const last = jobs.at(-1);
    return { jobs, nextCursor: last && found.length > limit ? cursorOf(last) : null };
  }
}

const CURSOR = /^(\d{1,15})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

function cursorOf({ requestedAt, jobId }: ListPosition): string {
  return Buffer.from(`${requestedAt.getTime()}.${jobId}`).toString('base64url');
}

function positionOf(cursor: string): ListPosition {
  const [, time, jobId] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time === undefined || jobId === undefined) {
    throw AppError.invalidParameter('cursor', 'must be the nextCursor of the page before.');
  }
  return { requestedAt: new Date(Number(time)), jobId };
}
