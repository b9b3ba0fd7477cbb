import { setTimeout as sleep } from 'node:timers/promises';
import type { SchedulerRegistry } from '@nestjs/schedule';

/** How long a shutdown waits for work that is under way; what is cut off then is done again by the next run. */
const PATIENCE_MS = 5_000;

/** Runs `work` at once and then at every interval, skipping intervals while it still runs. `work` never throws. */
export class PeriodicTask {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly schedule: SchedulerRegistry,
    private readonly name: string,
    private readonly intervalMs: number,
    private readonly work: (signal: AbortSignal) => Promise<void>,
  ) {}

  start(): void {
    if (this.stopping.signal.aborted) return;
    this.schedule.addInterval(
      this.name,
      setInterval(() => this.tick(), this.intervalMs),
    );
    this.tick();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.schedule.doesExist('interval', this.name)) this.schedule.deleteInterval(this.name);
    await Promise.race([this.running, sleep(PATIENCE_MS, undefined, { ref: false })]);
  }

  private tick(): void {
    this.running ??= this.work(this.stopping.signal).finally(() => {
      this.running = undefined;
    });
  }
}
