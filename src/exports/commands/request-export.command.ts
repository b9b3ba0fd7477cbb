import { Logger } from '@nestjs/common';
import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import type { OrgScope, Principal } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import { ExportRequested } from '../../shared/messages/export-requested.event';
import type { ExportJob } from '../export-job.entity';
import { ExportJobs } from '../export-jobs.repository';
import { type ExportRequest, fingerprintOf, meaningOf } from '../export-request';
import { specifyFile } from '../file-specification';
import { keptFrom } from '../kept-from';

/** Asks for a file. With an idempotency key the same request answers the same job. */
export class RequestExportCommand extends Command<ExportJob> {
  constructor(
    readonly scope: OrgScope,
    readonly principal: Principal,
    readonly request: ExportRequest,
    readonly idempotencyKey: string | null,
  ) {
    super();
  }
}

/**
 * Throws `AppError`: `invalid` or `unanswerable` for a file that cannot be made, `limited` with too many open jobs,
 * `unanswerable` for a key used with another request, `conflict` while a request with the key is under way.
 */
@CommandHandler(RequestExportCommand)
export class RequestExportHandler implements ICommandHandler<RequestExportCommand> {
  private readonly logger = new Logger(RequestExportHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
    private readonly jobs: ExportJobs,
    private readonly events: EventBus,
  ) {}

  async execute({ scope, principal, request, idempotencyKey }: RequestExportCommand): Promise<ExportJob> {
    const requestHash = fingerprintOf(request);
    const known =
      idempotencyKey === null ? null : await this.jobs.findByIdempotencyKey(scope, idempotencyKey);
    if (known) return assertSameRequest(known, requestHash);
    // Checked after the key: the answer to a repeated request does not depend on the time of the repetition.
    const now = this.clock.now().getTime();
    const specification = specifyFile(meaningOf(request, now), now, this.config, await keptFrom(this.pool));
    await this.assertRoom(scope);
    const outcome = await this.jobs.add(scope, {
      specification,
      requestedBy: principal.id,
      requestHash,
      idempotencyKey,
    });
    if (!outcome) {
      throw new AppError('conflict', 'A request with this Idempotency-Key is under way: try again.', {
        retryAfterSeconds: 1,
      });
    }
    if (!outcome.added) return assertSameRequest(outcome.job, requestHash);
    const { jobId, orgId } = outcome.job;
    // In the request's own line of thought: it carries the request's id, and the worker's lines this job's.
    this.logger.log({ jobId, orgId }, 'An export was asked for');
    this.events.publish(new ExportRequested(jobId));
    return outcome.job;
  }

  private async assertRoom(scope: OrgScope): Promise<void> {
    const { exportMaxOpenPerOrg } = this.config;
    if ((await this.jobs.countOpen(scope)) < exportMaxOpenPerOrg) return;
    throw new AppError(
      'limited',
      `At most ${exportMaxOpenPerOrg} exports of an organisation may be open (EXPORT_MAX_OPEN_PER_ORG): wait for one to finish or cancel one.`,
      { retryAfterSeconds: 30 },
    );
  }
}

function assertSameRequest(job: ExportJob, requestHash: Buffer): ExportJob {
  if (job.requestHash.equals(requestHash)) return job;
  throw new AppError(
    'unanswerable',
    'This Idempotency-Key was used with another request: send a new key with a new request.',
    {
      violations: [{ parameter: 'Idempotency-Key', detail: 'must be new for a new request.' }],
    },
  );
}
