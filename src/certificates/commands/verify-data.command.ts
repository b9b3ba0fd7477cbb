import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { Leases } from '../../platform/database/lease';
import { WorkerPool } from '../../platform/database/pools';
import { Clock } from '../../shared/clock';
import { describeDifference } from '../incomplete-reasons';
import { LastVerification } from '../last-verification';
import { type Verification, verify } from '../verification';

const LISTED_DIFFERENCES = 20;

/** Reconciles every layer of the last VERIFY_WINDOW; `undefined` when another process is at it. */
export class VerifyDataCommand extends Command<Verification | undefined> {
  constructor(readonly signal?: AbortSignal) {
    super();
  }
}

/** Logs each difference with organisation, bucket and measures, and keeps what was found for the metrics of every worker. */
@CommandHandler(VerifyDataCommand)
export class VerifyDataHandler implements ICommandHandler<VerifyDataCommand> {
  private readonly logger = new Logger(VerifyDataHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: WorkerPool,
    private readonly leases: Leases,
    private readonly last: LastVerification,
  ) {}

  execute({ signal }: VerifyDataCommand): Promise<Verification | undefined> {
    return this.leases.run('verification', async () => {
      const began = performance.now();
      const now = this.clock.now();
      const verification = await verify(this.pool, {
        now,
        orgId: null,
        start: new Date(now.getTime() - this.config.verifyWindow),
        end: null,
        retentionHourly: this.config.retentionHourly,
        lateHorizon: this.config.lateHorizon,
        listed: LISTED_DIFFERENCES,
        ...(signal && { signal }),
      });
      await this.last.note(verification, this.clock.now(), (performance.now() - began) / 1_000);
      this.tell(verification);
      return verification;
    });
  }

  private tell({ layers, differing, openGaps, unreviewedConflicts }: Verification): void {
    for (const { relation, against, differences } of layers) {
      for (const difference of differences) {
        const { orgId, bucket } = difference;
        const fields = { relation, against, orgId, bucket, difference: describeDifference(difference) };
        this.logger.error(fields, 'A layer of the data is not what it should be');
      }
    }
    const fields = {
      differing,
      openGaps: openGaps.length,
      hoursWithConflicts: unreviewedConflicts.length,
    };
    if (differing === 0) this.logger.log(fields, 'All layers of the data agree');
    else
      this.logger.error(fields, 'Layers of the data differ: ask for a re-aggregation of the windows named');
  }
}
