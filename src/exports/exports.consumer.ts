import { Nack, RabbitSubscribe, requeueErrorHandler } from '@golevelup/nestjs-rabbitmq';
import { Injectable, Logger } from '@nestjs/common';
import { DatabaseSchema } from '../platform/database/database-schema';
import { EXPORTS_REQUESTED, WORK_QUEUE_ARGUMENTS } from '../platform/messaging/topology';
import { ExportWorker } from './export-worker';
import { LOWER_CASE_UUID } from '../shared/uuid';

/**
 * Begins to write an export as soon as it was asked for. The message only says which: the row decides whether there is
 * anything to do, so a message that comes twice or is lost does no harm. Acknowledged when the attempt has ended.
 */
@Injectable()
export class ExportsConsumer {
  private readonly logger = new Logger(ExportsConsumer.name);

  constructor(
    private readonly schema: DatabaseSchema,
    private readonly worker: ExportWorker,
  ) {}

  // The exchange is not named: binding to it is the topology's, which may come later than this.
  @RabbitSubscribe({
    queue: EXPORTS_REQUESTED,
    queueOptions: { durable: true, arguments: WORK_QUEUE_ARGUMENTS },
    errorHandler: requeueErrorHandler,
  })
  async onExportRequested(message: unknown): Promise<Nack | undefined> {
    const jobId = jobIdOf(message);
    if (jobId === undefined) {
      this.logger.error(
        { queue: EXPORTS_REQUESTED },
        'A message names no export and is put with the dead letters',
      );
      return new Nack(false);
    }
    if (this.schema.status.state === 'ready') await this.worker.work(jobId);
    return undefined;
  }
}

function jobIdOf(message: unknown): string | undefined {
  const jobId: unknown =
    typeof message === 'object' && message !== null ? Reflect.get(message, 'jobId') : undefined;
  return typeof jobId === 'string' && LOWER_CASE_UUID.test(jobId) ? jobId : undefined;
}
