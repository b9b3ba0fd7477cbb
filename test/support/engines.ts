import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { testServers } from './test-servers';

export const ENGINES: readonly StorageEngineKind[] = ['postgres', 'timescale'];

/** The maintenance database of the server for this engine; undefined when no server of the run has TimescaleDB. */
export function serverOf(engine: StorageEngineKind): string | undefined {
  const { databaseUrl, timescaleUrl } = testServers();
  return engine === 'timescale' ? timescaleUrl : databaseUrl;
}

/**
 * The same tests on every engine. Without TimescaleDB its half is listed as skipped and the run's last
 * lines say why; the PostgreSQL half always runs.
 */
export function describeEachEngine(name: string, suite: (engine: StorageEngineKind) => void): void {
  for (const engine of ENGINES) {
    const describeIt = serverOf(engine) === undefined ? describe.skip : describe;
    describeIt(`${name} on ${engine}`, () => suite(engine));
  }
}
