import { Nack, RabbitSubscribe, requeueErrorHandler } from '@golevelup/nestjs-rabbitmq';
import { Injectable, Logger } from '@nestjs/common';
import { DatabaseSchema } from '../platform/database/database-schema';
import { REAGGREGATIONS_REQUESTED, WORK_QUEUE_ARGUMENTS } from '../platform/messaging/topology';
import { ReaggregationWorker } from './reaggregation-worker';
import { LOWER_CASE_UUID } from '../shared/uuid';

/**
 * Begins to re-aggregate as soon as it was asked for. The message only says which: the row decides whether there is
 * anything to do, so a message that comes twice or is lost does no harm. Acknowledged when the attempt has begun:
 * it may take longer than the broker waits for an acknowledgement.
 */
@Injectable()
export class ReaggregationsConsumer {
  private readonly logger = new Logger(ReaggregationsConsumer.name);

  constructor(
    private readonly schema: DatabaseSchema,
    private readonly worker: ReaggregationWorker,
  ) {}

  // The exchange is not named: binding to it is the topology's, which may come later than this.
  @RabbitSubscribe({
    queue: REAGGREGATIONS_REQUESTED,
    queueOptions: { durable: true, arguments: WORK_QUEUE_ARGUMENTS },
    errorHandler: requeueErrorHandler,
  })
  onReaggregationRequested(message: unknown): Promise<Nack | undefined> {
    const jobId = jobIdOf(message);
    if (jobId === undefined) {
      this.logger.error({ queue: REAGGREGATIONS_REQUESTED }, 'A message names no re-aggregation and is put with the dead letters'); // prettier-ignore
      return Promise.resolve(new Nack(false));
    }
    if (this.schema.status.state === 'ready') {
      this.worker.work(jobId).catch((err: unknown) => {
        this.logger.warn({ err, jobId }, 'A re-aggregation could not be begun, it is claimed again later');
      });
    }
    return Promise.resolve(undefined);
  }
}

function jobIdOf(message: unknown): string | undefined {
  const jobId: unknown =
    typeof message === 'object' && message !== null ? Reflect.get(message, 'jobId') : undefined;
  return typeof jobId === 'string' && LOWER_CASE_UUID.test(jobId) ? jobId : undefined;
}
