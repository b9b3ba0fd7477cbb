import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { pageOf, positionOf } from '../../shared/list-cursor';
import type { ExportJob, ExportState } from '../export-job.entity';
import { ExportJobs } from '../export-jobs.repository';

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
      readonly cursor: string | undefined;
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
    const found = await this.repository.list(scope, { states, after: positionOf(cursor), limit: limit + 1 });
    const rows = found.map((job) => ({
      id: job.jobId,
      micros: String(job.requestedAt.getTime() * 1_000),
      job,
    }));
    const page = pageOf(rows, limit);
    return { jobs: page.rows.map(({ job }) => job), nextCursor: page.nextCursor };
  }
}
