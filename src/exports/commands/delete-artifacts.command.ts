import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Clock } from '../../shared/clock';
import { DAY_MS } from '../../shared/time-zone';
import { jobFolder } from '../artifacts/artifact-key';
import { ArtifactStore } from '../artifacts/artifact-store';
import { ExportJobs } from '../export-jobs.repository';

const JOBS_PER_PASS = 100;
/** No attempt takes that long: who began an upload then is dead. */
const STALE_UPLOAD_MS = DAY_MS;

export interface DeletedArtifacts {
  readonly jobs: number;
  readonly uploads: number;
}

/** Deletes the files of expired exports and what failed and cancelled ones have left; ends uploads nobody finishes. */
export class DeleteArtifactsCommand extends Command<DeletedArtifacts> {}

/** The row is changed only when the store has nothing left, so that a store that is away is asked again. */
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
    let jobs = 0;
    for (;;) {
      const found = await this.jobs.listToDelete(now, JOBS_PER_PASS);
      for (const job of found) {
        await this.store.deleteFolder(jobFolder(job));
        await this.jobs.noteDeleted(job);
        jobs += 1;
      }
      if (found.length < JOBS_PER_PASS) break;
    }
    const uploads = await this.store.abortUnfinishedBefore(new Date(now.getTime() - STALE_UPLOAD_MS));
    if (jobs + uploads > 0) this.logger.log({ jobs, uploads }, 'Deleted what exports no longer need');
    return { jobs, uploads };
  }
}
