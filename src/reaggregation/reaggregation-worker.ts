import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ReaggregateUsageCommand } from './commands/reaggregate-usage.command';
import { Reaggregations } from './reaggregations.repository';

/** Claims re-aggregations and works on one at a time: two would only wait for each other. */
@Injectable()
export class ReaggregationWorker implements BeforeApplicationShutdown {
  /** Says in the row who has the job. */
  private readonly name = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  private readonly stopping = new AbortController();
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly jobs: Reaggregations,
    private readonly commands: CommandBus,
  ) {}

  /** Works on the job, or on the one that has waited longest; answers whether there was one that nobody had. */
  async work(jobId?: string): Promise<boolean> {
    if (this.stopping.signal.aborted || this.running) return false;
    this.running = this.claimAndWork(jobId);
    try {
      return await this.running;
    } finally {
      this.running = undefined;
    }
  }

  /** Works until nothing is due. */
  async drain(): Promise<void> {
    while (await this.work());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await Promise.allSettled([this.running]);
  }

  private async claimAndWork(jobId?: string): Promise<boolean> {
    const job = await this.jobs.claim(this.name, jobId);
    if (!job) return false;
    await this.commands.execute(new ReaggregateUsageCommand(job, this.stopping.signal));
    return true;
  }
}
