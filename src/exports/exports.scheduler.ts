import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { HOUR_MS, MINUTE_MS } from '../shared/time-zone';
import { DeleteArtifactsCommand } from './commands/delete-artifacts.command';
import { ScheduleExportsCommand } from './commands/schedule-exports.command';
import { ExportWorker } from './export-worker';

/** The longest that a job waits whose message was lost, or whose worker died after its lease. */
const CLAIM_EVERY_MS = 5_000;

/** What exports do by the clock, in processes with the role worker. Several may: rows decide who does what. */
@Injectable()
export class ExportsScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ExportsScheduler.name);
  private readonly names: string[] = [];
  private stopping = false;

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly schedule: SchedulerRegistry,
    private readonly worker: ExportWorker,
    private readonly commands: CommandBus,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.serviceRoles.includes('worker')) return;
    void this.schema.ready().then(() => {
      if (this.stopping) return;
      // A round of its own for each slot: while one writes a long file, the others go on looking.
      for (let slot = 1; slot <= this.config.exportConcurrency; slot += 1)
        this.every(CLAIM_EVERY_MS, `exports: claim ${slot}`, () => this.worker.drain());
      this.every(MINUTE_MS, 'exports: schedule', () => this.commands.execute(new ScheduleExportsCommand()));
      this.every(HOUR_MS, 'exports: delete', () => this.commands.execute(new DeleteArtifactsCommand()));
    });
  }

  beforeApplicationShutdown(): void {
    this.stopping = true;
    for (const name of this.names) this.schedule.deleteInterval(name);
  }

  /** Now and at every interval, skipping those at which it still runs. */
  private every(ms: number, name: string, work: () => Promise<unknown>): void {
    let running = false;
    const tick = async (): Promise<void> => {
      if (running || this.stopping) return;
      running = true;
      try {
        await work();
      } catch (err) {
        if (!this.stopping)
          this.logger.error({ err, task: name }, 'A task of the exports failed and is tried again');
      } finally {
        running = false;
      }
    };
    this.names.push(name);
    this.schedule.addInterval(
      name,
      setInterval(() => void tick(), ms),
    );
    void tick();
  }
}
