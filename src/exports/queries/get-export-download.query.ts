import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { Clock } from '../../shared/clock';
import { parseArtifactKey } from '../artifacts/artifact-key';
import { ArtifactStore } from '../artifacts/artifact-store';
import { specificationOf } from '../export-job.entity';
import { ExportJobs } from '../export-jobs.repository';
import { assertAvailable, findJob } from '../find-job';
import { fileKindOf } from '../writing/file-name';

/** A URL from which the file can be had for EXPORT_URL_TTL. */
export class GetExportDownloadQuery extends Query<string> {
  constructor(
    readonly scope: OrgScope,
    readonly jobId: string,
  ) {
    super();
  }
}

@QueryHandler(GetExportDownloadQuery)
export class GetExportDownloadHandler implements IQueryHandler<GetExportDownloadQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly jobs: ExportJobs,
    private readonly store: ArtifactStore,
  ) {}

  async execute({ scope, jobId }: GetExportDownloadQuery): Promise<string> {
    const job = await findJob(this.jobs, scope, jobId);
    assertAvailable(job, this.clock.now());
    const { contentType } = fileKindOf(specificationOf(job));
    return this.store.linkTo(parseArtifactKey(job.artifactKey), {
      contentType,
      ttl: this.config.exportUrlTtl,
    });
  }
}
