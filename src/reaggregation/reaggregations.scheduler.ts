import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Config } from '../platform/config/config';
import { DatabaseSchema } from '../platform/database/database-schema';
import { ReaggregationWorker } from './reaggregation-worker';

/** The longest that a job waits whose message was lost, or whose worker died, after its lease. */
const CLAIM_EVERY_MS = 5_000;
const INTERVAL = 'reaggregations: claim';

/** Claims what waits in processes with the role worker. Several may: rows decide who does what. */
@Injectable()
export class ReaggregationsScheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ReaggregationsScheduler.name);
  private stopping = false;
  private failing = false;

  constructor(
    private readonly config: Config,
    private readonly schema: DatabaseSchema,
    private readonly schedule: SchedulerRegistry,
    private readonly worker: ReaggregationWorker,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.serviceRoles.includes('worker')) return;
    void this.schema.ready().then(() => {
      if (this.stopping) return;
      const claim = setInterval(() => void this.claim(), CLAIM_EVERY_MS);
      this.schedule.addInterval(INTERVAL, claim);
      void this.claim();
    });
  }

  beforeApplicationShutdown(): void {
    this.stopping = true;
    if (this.schedule.doesExist('interval', INTERVAL)) this.schedule.deleteInterval(INTERVAL);
  }

  private async claim(): Promise<void> {
    try {
      await this.worker.drain();
      this.failing = false;
    } catch (err) {
      if (!this.failing && !this.stopping)
        this.logger.warn({ err }, 'Re-aggregations cannot be claimed now, trying again');
      this.failing = true;
    }
  }
}
