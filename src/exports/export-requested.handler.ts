import { Logger } from '@nestjs/common';
import { EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { ExportRequested } from '../shared/messages/export-requested.event';
import { ExportWorker } from './export-worker';

/** Where there is no broker, the process that was asked begins at once. */
@EventsHandler(ExportRequested)
export class ExportRequestedHandler implements IEventHandler<ExportRequested> {
  private readonly logger = new Logger(ExportRequestedHandler.name);

  constructor(private readonly worker: ExportWorker) {}

  async handle({ jobId }: ExportRequested): Promise<void> {
    try {
      await this.worker.work(jobId);
    } catch (err) {
      this.logger.warn({ err, jobId }, 'An export could not be begun, it is claimed again later');
    }
  }
}
