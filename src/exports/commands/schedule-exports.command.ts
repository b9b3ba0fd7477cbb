import { createHash } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { PoolClient } from 'pg';
import { Config } from '../../platform/config/config';
import { WorkerPool } from '../../platform/database/pools';
import { sql, sqlOver } from '../../platform/database/sql';
import { inTransaction } from '../../platform/database/transaction';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import {
  bucketsOf,
  type FileSpecification,
  type KeptFrom,
  relationOf,
  specifyFile,
  zoneOf,
} from '../file-specification';
import { keptFrom } from '../kept-from';
import { type ScheduledMonth, scheduledMonths } from '../scheduled-months';

const holdSchedule = sql('exports/hold-schedule');
const advanceSchedule = sql('exports/advance-schedule');
const addScheduledJobs = sqlOver('exports/add-scheduled-jobs', ['usage_15min', 'usage_hourly']);

/** Adds the monthly exports that have become due since the last time; answers how many jobs were added. */
export class ScheduleExportsCommand extends Command<number> {}

/**
 * How far the schedule was carried out stands in the database and moves in the transaction that adds the jobs: what
 * fell due while nothing ran is caught up, and nothing is added twice, whichever process does it.
 */
@CommandHandler(ScheduleExportsCommand)
export class ScheduleExportsHandler implements ICommandHandler<ScheduleExportsCommand> {
  private readonly logger = new Logger(ScheduleExportsHandler.name);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: WorkerPool,
  ) {}

  async execute(): Promise<number> {
    const { exportSchedule, exportScheduleTimezone } = this.config;
    const now = this.clock.now();
    return inTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ fired_through: Date }>(holdSchedule);
      const after = rows[0]?.fired_through ?? now;
      const zone = zoneOf({ timeZone: exportScheduleTimezone });
      // While it is off nothing falls due, so that turning it on does not hand out the past.
      const months =
        exportSchedule === 'off' ? [] : scheduledMonths(exportSchedule, zone, after.getTime(), now.getTime());
      let added = 0;
      for (const month of months) added += await this.addJobs(client, month, now);
      await client.query({ ...advanceSchedule, values: [now] });
      return added;
    });
  }

  private async addJobs(client: PoolClient, month: ScheduledMonth, now: Date): Promise<number> {
    const file = this.fileOf(month, now, await keptFrom(client));
    const buckets = file && bucketsOf(file);
    if (!file || !buckets) return 0;
    const { rowCount } = await client.query({
      ...addScheduledJobs.over(relationOf(buckets)),
      values: [
        new Date(file.window.start),
        new Date(file.window.end),
        month.name,
        file.timeZone,
        file.granularity,
        file.format,
        file.focusVersion,
        createHash('sha256').update(`schedule ${month.name}`).digest(),
      ],
    });
    this.logger.log({ month: month.name, jobs: rowCount }, 'Scheduled the exports of a month');
    return rowCount ?? 0;
  }

  /** `undefined` for a month that is no longer kept. */
  private fileOf(
    { name, start, end }: ScheduledMonth,
    now: Date,
    kept: KeptFrom,
  ): FileSpecification | undefined {
    const asked: FileSpecification = {
      window: { start, end },
      granularity: this.config.exportScheduleGranularity,
      timeZone: this.config.exportScheduleTimezone,
      filters: { modelIds: [], clientIds: [], statuses: [] },
      format: this.config.exportScheduleFormat,
      focusVersion: null,
    };
    try {
      return specifyFile(asked, now.getTime(), this.config, kept);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.logger.error(
        { month: name, reason: error.message },
        'The exports of a month cannot be made any more',
      );
      return undefined;
    }
  }
}
