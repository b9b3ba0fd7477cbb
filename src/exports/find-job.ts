import type { OrgScope } from '../access/principal';
import { AppError } from '../shared/errors';
import type { ExportJob } from './export-job.entity';
import type { ExportJobs } from './export-jobs.repository';

/** Throws the same `not_found` for the job of another organisation as for one that does not exist. */
export async function findJob(jobs: ExportJobs, scope: OrgScope, jobId: string): Promise<ExportJob> {
  const job = await jobs.find(scope, jobId);
  if (!job) throw new AppError('not_found', 'There is no such export.');
  return job;
}

/** A job whose file can be had. Throws `conflict` before there is one and `gone` when there is none any more. */
export function assertAvailable(job: ExportJob, now: Date): asserts job is ExportJob & AvailableJob {
  if (job.state === 'expired' || (job.expiresAt !== null && job.expiresAt <= now)) {
    throw new AppError('gone', 'The file of this export has expired: ask for it again.');
  }
  if (job.state === 'cancelled') throw new AppError('gone', 'This export was cancelled: ask for it again.');
  if (job.state === 'failed') {
    throw new AppError('gone', `This export failed and has no file. ${job.failure ?? ''}`.trim());
  }
  if (job.artifactKey === null || job.manifest === null) {
    throw new AppError('conflict', 'This export is not finished: ask for its state first.', {
      retryAfterSeconds: 2,
    });
  }
}

interface AvailableJob {
  readonly artifactKey: string;
  readonly manifest: string;
}
