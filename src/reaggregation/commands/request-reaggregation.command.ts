import { Command, CommandHandler, EventBus, type ICommandHandler } from '@nestjs/cqrs';
import type { Principal } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { ReaggregationRequested } from '../../shared/messages/reaggregation-requested.event';
import { rawHorizon } from '../../shared/raw-horizon';
import type { Reaggregation } from '../reaggregation.entity';
import { reaggregationWindow } from '../reaggregation-window';
import { Reaggregations } from '../reaggregations.repository';

const readRawHorizon = sql('reaggregation/raw-horizon');

/** Asks for rollups to be computed again; while the same is under way, answers that job. */
export class RequestReaggregationCommand extends Command<Reaggregation> {
  constructor(
    readonly principal: Principal,
    readonly window: { readonly start: string; readonly end: string },
    readonly timezone: string,
    /** `null`: all organisations. */
    readonly orgId: string | null,
  ) {
    super();
  }
}

/** Throws `AppError`: `invalid` for a window that makes no sense, `unanswerable` for one whose events are gone. */
@CommandHandler(RequestReaggregationCommand)
export class RequestReaggregationHandler implements ICommandHandler<RequestReaggregationCommand> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
    private readonly jobs: Reaggregations,
    private readonly events: EventBus,
  ) {}

  async execute(command: RequestReaggregationCommand): Promise<Reaggregation> {
    const now = this.clock.now().getTime();
    const { rows } = await this.pool.query<{ raw_from: Date | null }>(readRawHorizon);
    const horizon = rawHorizon(rows[0]?.raw_from ?? null, this.config.rawRetention, now);
    const { start, end } = reaggregationWindow(command.window, command.timezone, horizon, now);
    const job = await this.jobs.add({
      windowStart: new Date(start),
      windowEnd: new Date(end),
      orgId: command.orgId,
      requestedBy: command.principal.id,
    });
    this.events.publish(new ReaggregationRequested(job.jobId));
    return job;
  }
}
