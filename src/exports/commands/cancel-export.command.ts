import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { AppError } from '../../shared/errors';
import type { ExportJob } from '../export-job.entity';
import { ExportJobs } from '../export-jobs.repository';
import { findJob } from '../find-job';

/** Cancels an open job. A job that is cancelled already stays so; one that is finished is a `conflict`. */
export class CancelExportCommand extends Command<ExportJob> {
  constructor(
    readonly scope: OrgScope,
    readonly jobId: string,
  ) {
    super();
  }
}

/** The worker finds out at its next heartbeat, and can no longer finish the job in any case. */
@CommandHandler(CancelExportCommand)
export class CancelExportHandler implements ICommandHandler<CancelExportCommand> {
  constructor(private readonly jobs: ExportJobs) {}

  async execute({ scope, jobId }: CancelExportCommand): Promise<ExportJob> {
    await findJob(this.jobs, scope, jobId);
    await this.jobs.cancel(scope, jobId);
    const job = await findJob(this.jobs, scope, jobId);
    if (job.state === 'cancelled') return job;
    throw new AppError('conflict', `This export has ${job.state} already and cannot be cancelled.`);
  }
}
