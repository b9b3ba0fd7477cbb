import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Clock } from '../../shared/clock';
import { ExportJobs } from '../export-jobs.repository';
import { assertAvailable, findJob } from '../find-job';
import type { Manifest } from '../writing/manifest';

/** The proof of a finished export, as it stands beside the file. */
export class GetExportManifestQuery extends Query<Manifest> {
  constructor(
    readonly scope: OrgScope,
    readonly jobId: string,
  ) {
    super();
  }
}

@QueryHandler(GetExportManifestQuery)
export class GetExportManifestHandler implements IQueryHandler<GetExportManifestQuery> {
  constructor(
    private readonly clock: Clock,
    private readonly jobs: ExportJobs,
  ) {}

  async execute({ scope, jobId }: GetExportManifestQuery): Promise<Manifest> {
    const job = await findJob(this.jobs, scope, jobId);
    assertAvailable(job, this.clock.now());
    return JSON.parse(job.manifest) as Manifest;
  }
}
