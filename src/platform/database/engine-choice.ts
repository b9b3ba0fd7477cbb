import type { StorageEngineKind } from './storage-engine';

/** What STORAGE_ENGINE asks for. */
export type WantedEngine = StorageEngineKind | 'auto';

/** What the server and the database say about themselves before anything is changed. */
export interface DatabaseFacts {
  /** `server_version_num`, for example 150014. */
  readonly serverVersion: number;
  /** The engine whose schema is in the database; `null` when it is empty. */
  readonly schemaEngine: StorageEngineKind | null;
  /** Version of the extension created in the database, else the one that would be; `null` when there is none. */
  readonly timescaleVersion: string | null;
}

/** The database cannot be used as it is; the message says why and what to do. Trying again changes nothing. */
export class SchemaRefusedError extends Error {
  override readonly name = 'SchemaRefusedError';
}

const OLDEST_POSTGRES = 15;
const OLDEST_TIMESCALE = '2.13.1';

/**
 * Versions, both bounds inclusive, in which data is lost or rollups have gaps: from 2.17.2 `on conflict do nothing`
 * stops at the first conflict in a compressed chunk; 2.22.0 and 2.28.2 leave gaps in continuous aggregates.
 */
const BROKEN_TIMESCALE = [
  ['2.17.2', '2.18.0'],
  ['2.22.0', '2.22.0'],
  ['2.28.2', '2.28.2'],
] as const;

/**
 * Decides which engine's schema the database holds or gets. A schema that is there wins over `auto`; `auto` on an
 * empty database means TimescaleDB where a usable version is offered.
 */
export function chooseEngine(wanted: WantedEngine, facts: DatabaseFacts): StorageEngineKind {
  const major = Math.floor(facts.serverVersion / 10_000);
  if (major < OLDEST_POSTGRES) {
    throw new SchemaRefusedError(`PostgreSQL ${major} is too old: use version ${OLDEST_POSTGRES} or newer.`);
  }
  if (facts.schemaEngine !== null && wanted !== 'auto' && wanted !== facts.schemaEngine) {
    throw new SchemaRefusedError(
      `The database holds the schema of the engine ${facts.schemaEngine}, but STORAGE_ENGINE asks for ${wanted}: ` +
        `set STORAGE_ENGINE=${facts.schemaEngine} or auto, or use another database.`,
    );
  }
  const engine = facts.schemaEngine ?? wanted;
  if (engine === 'postgres') return engine;
  const objection = objectionTo(facts.timescaleVersion);
  if (objection === null) return 'timescale';
  if (engine === 'auto') return 'postgres';
  throw new SchemaRefusedError(objection);
}

/** Why this version of the extension cannot be used, or `null`. */
export function objectionTo(version: string | null): string | null {
  if (version === null) {
    return (
      'This PostgreSQL server does not offer the extension timescaledb: install it, or set STORAGE_ENGINE=postgres ' +
      'for an empty database.'
    );
  }
  if (compareVersions(version, OLDEST_TIMESCALE) < 0) {
    return `TimescaleDB ${version} is too old: update the extension to ${OLDEST_TIMESCALE} or newer.`;
  }
  const broken = BROKEN_TIMESCALE.some(
    ([first, last]) => compareVersions(version, first) >= 0 && compareVersions(version, last) <= 0,
  );
  if (!broken) return null;
  return `TimescaleDB ${version} is known to lose rows or to leave gaps in rollups: update the extension.`;
}

function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((version) =>
    version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0),
  );
  for (const place of [0, 1, 2]) {
    const difference = (a?.[place] ?? 0) - (b?.[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
