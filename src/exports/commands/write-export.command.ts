import { performance } from 'node:perf_hooks';
import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Config } from '../../platform/config/config';
import { isTransient } from '../../platform/database/postgres-errors';
import { AppError } from '../../shared/errors';
import type { ExportOutcome } from '../../shared/messages/export-finished.event';
import { type ArtifactFolder, attemptFolder } from '../artifacts/artifact-key';
import { ArtifactStore, ArtifactStoreError } from '../artifacts/artifact-store';
import { type ExportJob, specificationOf } from '../export-job.entity';
import { ExportJobs } from '../export-jobs.repository';
import { ExportWriter } from '../writing/export-writer';

const MAX_BACKOFF_MS = 600_000;

export interface ExportAttempt {
  readonly outcome: ExportOutcome;
  readonly rows: number;
  /** Of the file; 0 without one. */
  readonly bytes: number;
}

/** Makes one attempt at a job that was claimed; an aborted `signal` gives the job back. Never throws. */
export class WriteExportCommand extends Command<ExportAttempt> {
  constructor(
    readonly job: ExportJob,
    readonly signal: AbortSignal,
  ) {
    super();
  }
}

/** Somebody else has the job by now, or nobody: it was taken over or cancelled, or its lease ran out. */
class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/**
 * While it writes it says so every third of EXPORT_LEASE. An attempt writes into a folder of its own, and only the
 * attempt that the row names can finish the job: two workers never write one file, and one that was frozen and wakes up
 * harms nothing. What an attempt has written is deleted only when the row says that it did not succeed.
 */
@CommandHandler(WriteExportCommand)
export class WriteExportHandler implements ICommandHandler<WriteExportCommand> {
  private readonly logger = new Logger(WriteExportHandler.name);

  constructor(
    private readonly config: Config,
    private readonly jobs: ExportJobs,
    private readonly writer: ExportWriter,
    private readonly store: ArtifactStore,
  ) {}

  async execute({ job, signal }: WriteExportCommand): Promise<ExportAttempt> {
    const progress = { rows: 0 };
    const ended = new AbortController();
    const heartbeat = this.beat(job, progress, ended);
    let bytes = 0;
    let outcome: ExportOutcome;
    try {
      this.assertAlive(job);
      await this.clearOlderAttempts(job);
      const { key, manifest, manifestText } = await this.writer.write({
        place: job,
        specification: specificationOf(job),
        signal: AbortSignal.any([signal, ended.signal]),
        progress,
      });
      if (!(await this.jobs.succeed(job, key, manifestText, manifest.file.rows)))
        throw new SupersededError('The job is not ours any more.');
      bytes = manifest.file.bytes;
      outcome = 'succeeded';
    } catch (error) {
      outcome = await this.settle(job, signal.aborted, ended.signal.aborted ? ended.signal.reason : error);
    } finally {
      clearInterval(heartbeat);
    }
    return { outcome, rows: progress.rows, bytes };
  }

  private beat(job: ExportJob, progress: { rows: number }, ended: AbortController): NodeJS.Timeout {
    let heardAt = performance.now();
    return setInterval(() => {
      const asked = performance.now();
      const lost = (): void => ended.abort(new SupersededError('The job is not ours any more.'));
      this.jobs.heartbeat(job, progress.rows).then(
        (ours) => (ours ? (heardAt = asked) : lost()),
        () => performance.now() - heardAt >= this.config.exportLease && lost(),
      );
    }, this.config.exportLease / 3);
  }

  /** A file that ends its workers is not tried for ever. */
  private assertAlive({ failures }: ExportJob): void {
    if (failures < this.config.exportMaxAttempts) return;
    throw new AppError(
      'unavailable',
      `The process that wrote the file ended unexpectedly, ${failures} failures in all.`,
    );
  }

  /** Also ends the uploads of a worker that was presumed dead. */
  private async clearOlderAttempts({ orgId, jobId, attempt }: ExportJob): Promise<void> {
    for (let older = 1; older < attempt; older += 1) {
      await this.clear(attemptFolder({ orgId, jobId, attempt: older }));
    }
  }

  private async settle(job: ExportJob, released: boolean, error: unknown): Promise<ExportOutcome> {
    try {
      const outcome = await this.settleRow(job, released, error);
      if (outcome !== 'succeeded') await this.clear(attemptFolder(job));
      return outcome;
    } catch (err) {
      // The lease runs out, and the next attempt clears what this one has left.
      this.logger.warn(
        { err, jobId: job.jobId, attempt: job.attempt },
        'What came of an export could not be recorded',
      );
      return 'superseded';
    }
  }

  private async settleRow(job: ExportJob, released: boolean, error: unknown): Promise<ExportOutcome> {
    const { jobId, orgId, attempt, failures } = job;
    if (released && (await this.jobs.release(job))) return 'released';
    if (!released && !(error instanceof SupersededError)) {
      const final =
        failures + 1 >= this.config.exportMaxAttempts ||
        (error instanceof AppError && error.kind === 'unanswerable');
      const delay = final ? null : Math.min(this.config.exportRetryBackoff * 2 ** failures, MAX_BACKOFF_MS);
      if (await this.jobs.fail(job, reasonOf(error), delay)) {
        const fields = { err: error, jobId, orgId, attempt };
        if (final) this.logger.error(fields, 'An export failed and is given up');
        else this.logger.warn({ ...fields, delay }, 'An export failed and is tried again');
        return final ? 'failed' : 'retried';
      }
    }
    // The connection may have broken while the success was being committed.
    const now = await this.jobs.find(job, jobId);
    return now?.state === 'succeeded' && now.attempt === attempt ? 'succeeded' : 'superseded';
  }

  /** What cannot be deleted now is deleted with the job. */
  private async clear(folder: ArtifactFolder): Promise<void> {
    await this.store
      .deleteFolder(folder)
      .catch((err: unknown) =>
        this.logger.warn({ err, folder }, 'What an attempt left could not be deleted now'),
      );
  }
}

/** A sentence for whoever asked for the export; nothing of the inside. */
function reasonOf(error: unknown): string {
  if (error instanceof ArtifactStoreError || error instanceof AppError) return error.message;
  if (isTransient(error)) return 'The database could not be read.';
  return 'Something unforeseen happened; the log has it under the id of this export.';
}
