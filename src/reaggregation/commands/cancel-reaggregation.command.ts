import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { AppError } from '../../shared/errors';
import type { Reaggregation } from '../reaggregation.entity';
import { Reaggregations } from '../reaggregations.repository';

/** Ends an open job after the step it is at; what is rebuilt stays. One that has finished is a `conflict`. */
export class CancelReaggregationCommand extends Command<Reaggregation> {
  constructor(readonly jobId: string) {
    super();
  }
}

@CommandHandler(CancelReaggregationCommand)
export class CancelReaggregationHandler implements ICommandHandler<CancelReaggregationCommand> {
  constructor(private readonly jobs: Reaggregations) {}

  async execute({ jobId }: CancelReaggregationCommand): Promise<Reaggregation> {
    await this.jobs.find(jobId);
    await this.jobs.cancel(jobId);
    const job = await this.jobs.find(jobId);
    if (job.state === 'cancelled') return job;
    throw new AppError('conflict', `This re-aggregation has ${job.state} already and cannot be cancelled.`);
  }
}
