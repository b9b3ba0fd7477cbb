import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Clock } from '../../shared/clock';
import { Config } from '../config/config';
import { DatabaseServer } from './database-server';
import { SchemaRefusedError } from './engine-choice';
import { inspectSchema, migrate } from './migrations';
import { SelectedStorageEngine } from './selected-storage-engine';
import type { StorageEngineKind } from './storage-engine';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** Probes are answered only once modules are initialised, and a long migration must not look like a dead process. */
const START_PATIENCE_MS = 5_000;

export type SchemaStatus =
  | { readonly state: 'ready'; readonly engine: StorageEngineKind }
  | { readonly state: 'waiting'; readonly reason: string };

/** The schema lacks migrations of this release, and this process is not the one that applies them. */
class SchemaBehindError extends Error {
  override readonly name = 'SchemaBehindError';
}

/**
 * Brings the database to the schema of this release when the process starts, or waits until a migration job did.
 * A database that is away does not stop the start: this goes on trying until it comes. One that must not be used
 * (`SchemaRefusedError`) does.
 */
@Injectable()
export class DatabaseSchema implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(DatabaseSchema.name);
  private readonly stopped = new AbortController();
  private readonly became: Promise<StorageEngineKind>;
  private becomeReady!: (kind: StorageEngineKind) => void;
  private current: SchemaStatus = { state: 'waiting', reason: 'The database was not asked yet.' };

  constructor(
    private readonly config: Config,
    private readonly server: DatabaseServer,
    private readonly engine: SelectedStorageEngine,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {
    this.became = new Promise((settle) => {
      this.becomeReady = settle;
    });
  }

  get status(): SchemaStatus {
    return this.current;
  }

  /** Settles once every relation is there; whoever works in the background awaits it first. */
  ready(): Promise<StorageEngineKind> {
    return this.became;
  }

  async onModuleInit(): Promise<void> {
    let awaited = true;
    const first = this.attempt().catch((error: unknown) => {
      if (awaited && error instanceof SchemaRefusedError) throw error;
      this.postpone(error);
      void this.keepTrying();
    });
    await Promise.race([first, sleep(START_PATIENCE_MS, undefined, { ref: false })]);
    awaited = false;
  }

  onModuleDestroy(): void {
    this.stopped.abort();
  }

  private async keepTrying(): Promise<void> {
    let pause = FIRST_RETRY_MS;
    while (!this.stopped.signal.aborted) {
      await sleep(pause, undefined, { signal: this.stopped.signal }).catch(() => undefined);
      if (this.stopped.signal.aborted) return;
      pause = Math.min(pause * 2, LAST_RETRY_MS);
      try {
        await this.attempt();
        return;
      } catch (error) {
        this.postpone(error);
      }
    }
  }

  private async attempt(): Promise<void> {
    const kind = await this.settle();
    this.engine.select(kind);
    if (!this.dataSource.isInitialized) await this.dataSource.initialize();
    await this.engine.prepare(this.clock.now());
    this.current = { state: 'ready', engine: kind };
    this.logger.log({ engine: kind }, 'The database is ready');
    this.becomeReady(kind);
  }

  private async settle(): Promise<StorageEngineKind> {
    const wanted = {
      databaseUrl: this.config.migrateOnStart ? this.server.ownerUrl : this.server.url,
      engine: this.config.storageEngine,
    };
    if (this.config.migrateOnStart) {
      return migrate({ ...wanted, log: (message, fields) => this.logger.log({ ...fields }, message) });
    }
    const { engine, pending } = await inspectSchema(wanted);
    if (engine !== null && pending.length === 0) return engine;
    throw new SchemaBehindError(
      engine === null
        ? 'The database is empty and MIGRATE_ON_START is off: run the migration job.'
        : `The database lacks ${pending.join(', ')} and MIGRATE_ON_START is off: run the migration job.`,
    );
  }

  /** The same reason again is not logged again. */
  private postpone(error: unknown): void {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    const known = this.current.state === 'waiting' && this.current.reason === reason;
    this.current = { state: 'waiting', reason };
    if (!known) this.logger.warn({ err: error }, 'The database is not ready yet, trying again');
  }
}
