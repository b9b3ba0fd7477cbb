import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StorageEngineKind } from './storage-engine';

export const MIGRATIONS_ROOT = join(__dirname, '..', '..', '..', 'migrations');

/** One file of `migrations/`; a suffix such as `.timescale.sql` makes it one engine's own. */
export interface MigrationFile {
  readonly file: string;
  readonly text: string;
  /** Of the bytes on disk, in hexadecimal. */
  readonly sha256: string;
}

const FILE_NAME = /^(?<number>\d{4})_(?<title>[a-z0-9-]+)(?:\.(?<engine>timescale|postgres))?\.sql$/;

/** The files that make the schema of `engine`, in the order in which they are applied. */
export function migrationFiles(engine: StorageEngineKind, root = MIGRATIONS_ROOT): MigrationFile[] {
  return readdirSync(root)
    .filter((file) => file.endsWith('.sql'))
    .filter((file) => [undefined, engine].includes(partsOf(file)['engine'] as StorageEngineKind | undefined))
    .sort()
    .map((file) => readMigration(file, root));
}

/**
 * The name TypeORM records and sorts by: it wants a time in milliseconds at its end, which forward-only files do not
 * have, so their four-digit number stands there.
 */
export function migrationName(file: string): string {
  const { number, title } = partsOf(file);
  const words = (title ?? '').split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}${1_000_000_000_000 + Number(number)}`;
}

function readMigration(file: string, root: string): MigrationFile {
  const bytes = readFileSync(join(root, file));
  return { file, text: bytes.toString('utf8'), sha256: createHash('sha256').update(bytes).digest('hex') };
}

function partsOf(file: string): Record<string, string | undefined> {
  const parts = FILE_NAME.exec(file)?.groups;
  if (!parts)
    throw new Error(`migrations/${file} is not named like 0001_title.sql or 0001_title.postgres.sql.`);
  return parts;
}
