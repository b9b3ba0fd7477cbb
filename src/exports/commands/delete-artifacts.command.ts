import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Clock } from '../../shared/clock';
import { DAY_MS } from '../../shared/time-zone';
import { jobFolder } from '../artifacts/artifact-key';
import { ArtifactStore } from '../artifacts/artifact-store';
import { ExportJobs } from '../export-jobs.repository';

const JOBS_PER_PASS = 100;
/** A store that deletes nothing of so many is away. */
const MOST_FAILURES = 100;
/** No attempt takes that long: who began an upload then is dead. */
const STALE_UPLOAD_MS = DAY_MS;

export interface DeletedArtifacts {
  readonly jobs: number;
  readonly uploads: number;
}

/** Deletes the files of expired exports and what failed and cancelled ones have left; ends uploads nobody finishes. */
export class DeleteArtifactsCommand extends Command<DeletedArtifacts> {}

/**
 * The row is changed only when the store has nothing left, so that a store that is away is asked again. A job whose
 * files cannot be deleted does not keep those of others; the command throws at its end.
 */
@CommandHandler(DeleteArtifactsCommand)
export class DeleteArtifactsHandler implements ICommandHandler<DeleteArtifactsCommand> {
  private readonly logger = new Logger(DeleteArtifactsHandler.name);

  constructor(
    private readonly clock: Clock,
    private readonly jobs: ExportJobs,
    private readonly store: ArtifactStore,
  ) {}

  async execute(): Promise<DeletedArtifacts> {
    const now = this.clock.now();
    const kept: string[] = [];
    let jobs = 0;
    for (;;) {
      const found = await this.jobs.listToDelete(now, JOBS_PER_PASS, kept);
      for (const job of found) {
        try {
          await this.store.deleteFolder(jobFolder(job));
          await this.jobs.noteDeleted(job);
          jobs += 1;
        } catch (err) {
          const { jobId, orgId } = job;
          this.logger.warn({ err, jobId, orgId }, 'The files of an export could not be deleted now');
          kept.push(jobId);
        }
      }
      if (found.length < JOBS_PER_PASS || kept.length >= MOST_FAILURES) break;
    }
    const uploads = await this.store.abortUnfinishedBefore(new Date(now.getTime() - STALE_UPLOAD_MS));
    if (jobs + uploads > 0) this.logger.log({ jobs, uploads }, 'Deleted what exports no longer need');
    if (kept.length > 0) throw new Error(`The files of ${kept.length} exports could not be deleted.`);
    return { jobs, uploads };
  }
}
