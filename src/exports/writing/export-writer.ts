import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { stringify } from 'csv-stringify';
import type { PoolClient } from 'pg';
import QueryStream from 'pg-query-stream';
import { Config } from '../../platform/config/config';
import { WorkerPool } from '../../platform/database/pools';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import { type ArtifactKey, artifactKey, type AttemptPlace } from '../artifacts/artifact-key';
import { ArtifactStore, ArtifactStoreError } from '../artifacts/artifact-store';
import { assertKept, bucketsOf, type FileSpecification } from '../file-specification';
import { Chunks, Digest, Records, type WriteProgress } from './byte-streams';
import { type ControlTotals, differences, RunningTotals } from './control-totals';
import { eventFile } from './event-file';
import type { FileContext, FileFormat } from './file-format';
import { fileKindOf, MANIFEST_NAME } from './file-name';
import { focusFile } from './focus-file';
import { MANIFEST_SCHEMA_VERSION, type Manifest, manifestText } from './manifest';
import { serviceIdentity } from './service-identity';
import { inSnapshot, readTotals } from './snapshot';
import { usageFile } from './usage-file';

/** Rows fetched from the cursor at a time. As fast as 1,000, and half the memory: fewer are alive when it is collected. */
const CURSOR_ROWS = 250;
/** So much of the file is made while the store takes what was made before. */
const AHEAD_BYTES = 8 * 1_024 * 1_024;
/** Numbers and times go into the file as the database writes them. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

export interface WriteTask {
  readonly place: AttemptPlace;
  readonly specification: FileSpecification;
  readonly signal: AbortSignal;
  readonly progress: WriteProgress;
}

export interface WrittenFile {
  readonly key: ArtifactKey;
  readonly manifest: Manifest;
  /** As stored beside the artifact. */
  readonly manifestText: string;
}

/**
 * Writes a file and its manifest, the manifest last. Everything streams: the memory it takes does not depend on the
 * length of the file. Rows and totals are from one snapshot of the database, and the totals are compared with those of
 * the cells written: a file that is not what the database said, or not as long as it was, is never answered.
 *
 * Throws `ArtifactStoreError`, a failure of PostgreSQL, or `AppError('unanswerable')` when the data is no longer kept.
 * What was stored by then has to be deleted by the caller.
 */
@Injectable()
export class ExportWriter {
  constructor(
    private readonly config: Config,
    private readonly pool: WorkerPool,
    private readonly store: ArtifactStore,
    private readonly queries: QueryBus,
  ) {}

  async write(task: WriteTask): Promise<WrittenFile> {
    const { place, specification, signal } = task;
    const { name, contentType } = fileKindOf(specification);
    const key = artifactKey(place, name);
    const format = this.formatOf(place.orgId, specification);
    // Asked before the snapshot: what was final then is still so in it.
    const freshness = await this.queries.execute(new GetFreshnessQuery(place.orgId, specification.window));
    const { snapshot, totals, file } = await inSnapshot(this.pool, signal, async (client, snapshot) => {
      // What was dropped since the file was asked for would be missing silently.
      assertKept(specification, snapshot.keptFrom);
      const totals = await readTotals(client, format.totals);
      return { snapshot, totals, file: await this.stream(client, format, { key, contentType, task }) };
    });
    assertAddsUp(totals, file.totals);
    await this.assertWhole(key, file.bytes);
    const manifest: Manifest = {
      schemaVersion: MANIFEST_SCHEMA_VERSION,
      jobId: place.jobId,
      orgId: place.orgId,
      file: {
        name,
        contentType,
        format: specification.format,
        focusVersion: specification.focusVersion,
        columns: format.columns,
        rows: task.progress.rows,
        bytes: file.bytes,
        sha256: file.sha256,
      },
      window: { start: iso(specification.window.start), end: iso(specification.window.end) },
      timezone: specification.timeZone,
      granularity: specification.granularity,
      filters: specification.filters,
      currency: this.config.currency,
      controlTotals: totals,
      freshness,
      final: freshness.final,
      rollupWatermark: snapshot.rollupWatermark?.toISOString() ?? null,
      snapshotAt: snapshot.takenAt.toISOString(),
      attempt: place.attempt,
      service: serviceIdentity(),
    };
    return { key, manifest, manifestText: await this.storeManifest(task, manifest) };
  }

  private formatOf(orgId: string, specification: FileSpecification): FileFormat {
    const { currency, exportProviderName: provider } = this.config;
    const context: FileContext = { orgId, specification, currency, provider };
    const buckets = bucketsOf(specification);
    if (buckets === null) return eventFile(context);
    const { focusVersion } = specification;
    return focusVersion === null ? usageFile(context, buckets) : focusFile(context, buckets, focusVersion);
  }

  private async stream(
    client: PoolClient,
    format: FileFormat,
    { key, contentType, task }: { key: ArtifactKey; contentType: string; task: WriteTask },
  ): Promise<{ totals: ControlTotals; bytes: number; sha256: string }> {
    const { signal } = task;
    const totals = new RunningTotals();
    const rows = client.query(
      new QueryStream(format.rows.text, [...format.rows.values], {
        batchSize: CURSOR_ROWS,
        rowMode: 'array',
        types: AS_TEXT,
      }),
    );
    const lines = stringify({ header: true, columns: [...format.columns], record_delimiter: '\r\n' });
    const compression = task.specification.format === 'csv.gz' ? [createGzip()] : [];
    const digest = new Digest(AHEAD_BYTES);
    const stages = [
      rows,
      new Records(format, totals, task.progress),
      lines,
      new Chunks(),
      ...compression,
      digest,
    ];
    // One that fails when the pipeline has ended already is heard by nobody, which would end the process.
    for (const stage of stages) stage.on('error', () => undefined);
    const written = pipeline(stages, { signal });
    const stored = this.store.put(key, digest, { contentType, signal }).catch((error: unknown) => {
      // Ends the reading as well.
      digest.destroy(error instanceof Error ? error : undefined);
      throw error;
    });
    // Both have to end before anything is cleared away. Of two failures the store's tells more: it passes on those of
    // the reading, and the reading only learns that the store has left.
    const outcomes = await Promise.allSettled([stored, written]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return { totals: totals.totals(), bytes: digest.bytes, sha256: digest.sha256() };
  }

  private async assertWhole(key: ArtifactKey, bytes: number): Promise<void> {
    const kept = await this.store.sizeOf(key);
    if (kept === bytes) return;
    throw new ArtifactStoreError(
      `The artifact store kept ${kept ?? 'none'} of the ${bytes} bytes of the file.`,
    );
  }

  private async storeManifest({ place, signal }: WriteTask, manifest: Manifest): Promise<string> {
    const text = manifestText(manifest);
    const key = artifactKey(place, MANIFEST_NAME);
    await this.store.put(key, Readable.from([Buffer.from(text)]), {
      contentType: 'application/json',
      signal,
    });
    return text;
  }
}

function assertAddsUp(database: ControlTotals, cells: ControlTotals): void {
  const differing = differences(database, cells);
  if (differing.length === 0) return;
  throw new Error(`The cells of the file do not add up to what the database says: ${differing.join(', ')}.`);
}

function iso(instant: number): string {
  return new Date(instant).toISOString();
}
