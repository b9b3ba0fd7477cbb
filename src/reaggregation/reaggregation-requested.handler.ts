import { Logger } from '@nestjs/common';
import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { ReaggregationRequested } from '../shared/messages/reaggregation-requested.event';
import { ReaggregationWorker } from './reaggregation-worker';

/** Where there is no broker, the process that was asked begins at once. */
@EventsHandler(ReaggregationRequested)
export class ReaggregationRequestedHandler implements IEventHandler<ReaggregationRequested> {
  private readonly logger = new Logger(ReaggregationRequestedHandler.name);

  constructor(private readonly worker: ReaggregationWorker) {}

  async handle({ jobId }: ReaggregationRequested): Promise<void> {
    try {
      await this.worker.work(jobId);
    } catch (err) {
      this.logger.warn({ err, jobId }, 'A re-aggregation could not be begun, it is claimed again later');
    }
  }
}
