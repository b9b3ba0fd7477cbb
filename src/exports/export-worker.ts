import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { CommandBus, EventBus } from '@nestjs/cqrs';
import { Config } from '../platform/config/config';
import { ExportFinished } from '../shared/messages/export-finished.event';
import { WriteExportCommand } from './commands/write-export.command';
import { exportBytes, exportDuration, exportRows, exportsRunning } from './export.metrics';
import type { ExportJob } from './export-job.entity';
import { ExportJobs } from './export-jobs.repository';

/** Claims jobs and works on EXPORT_CONCURRENCY of them at a time. */
@Injectable()
export class ExportWorker implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ExportWorker.name);
  /** Says in the row who has the job. */
  private readonly name = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  private readonly stopping = new AbortController();
  private readonly slots = new Set<Promise<boolean>>();

  constructor(
    private readonly config: Config,
    private readonly jobs: ExportJobs,
    private readonly commands: CommandBus,
    private readonly events: EventBus,
  ) {}

  /**
   * Works on the job, or without an id on the one that has waited longest; resolves when the attempt has ended, with
   * whether there was one. Without room, or when the job is somebody else's or not due, nothing happens: whoever has
   * room next finds it in the database.
   */
  async work(jobId?: string): Promise<boolean> {
    if (this.stopping.signal.aborted || this.slots.size >= this.config.exportConcurrency) return false;
    // Taken before the claim is awaited, or two callers would share the last slot.
    const slot = this.claimAndWrite(jobId).finally(() => this.slots.delete(slot));
    this.slots.add(slot);
    return slot;
  }

  /** Works on one job after another until nothing is due or there is no room. */
  async drain(): Promise<void> {
    while (await this.work());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await Promise.allSettled(this.slots);
  }

  private async claimAndWrite(jobId?: string): Promise<boolean> {
    const job = await this.jobs.claim(this.name, jobId);
    if (!job) return false;
    exportsRunning.inc();
    try {
      await this.write(job);
    } finally {
      exportsRunning.dec();
    }
    return true;
  }

  private async write(job: ExportJob): Promise<void> {
    const began = performance.now();
    const { outcome, rows, bytes } = await this.commands.execute(
      new WriteExportCommand(job, this.stopping.signal),
    );
    const seconds = (performance.now() - began) / 1_000;
    const { format, orgId, jobId } = job;
    exportDuration.observe({ format, outcome }, seconds);
    this.logger.log({ jobId, orgId, outcome, attempt: job.attempt, rows, bytes, seconds }, 'An attempt at an export has ended'); // prettier-ignore
    if (outcome === 'succeeded') {
      exportRows.inc({ format }, rows);
      exportBytes.inc({ format }, bytes);
    }
    this.events.publish(new ExportFinished(orgId, jobId, outcome, seconds, rows, bytes));
  }
}
