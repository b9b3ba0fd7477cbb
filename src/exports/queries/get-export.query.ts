import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import type { ExportJob } from '../export-job.entity';
import { ExportJobs } from '../export-jobs.repository';
import { findJob } from '../find-job';

export class GetExportQuery extends Query<ExportJob> {
  constructor(
    readonly scope: OrgScope,
    readonly jobId: string,
  ) {
    super();
  }
}

@QueryHandler(GetExportQuery)
export class GetExportHandler implements IQueryHandler<GetExportQuery> {
  constructor(private readonly jobs: ExportJobs) {}

  execute({ scope, jobId }: GetExportQuery): Promise<ExportJob> {
    return findJob(this.jobs, scope, jobId);
  }
}
