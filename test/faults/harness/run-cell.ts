import type { StorageEngineKind } from '../../../src/platform/database/storage-engine';
import type { Servers } from '../../../src/cli/servers/servers';
import type { Build } from './build';
import type { Cell } from './cell';
import { type Evidence, gather } from './evidence';
import { ORACLES } from './oracles/all';
import { World } from './world';

/** One run of one cell; a line of the results. */
export interface Run {
  readonly cell: string;
  readonly seed: number;
  readonly engine: StorageEngineKind;
  readonly at: string;
  readonly seconds: number;
  /** Identities that were sent, and messages. */
  readonly events: number;
  readonly messages: number;
  readonly recoveries: readonly number[];
  readonly snapshots: number;
  readonly answers: number;
  /** How many violations each oracle found, at rest and after the stream was read again. */
  readonly violations: Readonly<Record<string, number>>;
  /** The first violations in words, and what else went wrong. */
  readonly complaints: readonly string[];
  /** The bug that was planted, and the oracle that had to find it; absent in honest runs. */
  readonly planted?: { readonly bug: string; readonly oracle: string };
}

export interface RunOptions {
  readonly seed: number;
  readonly engine: StorageEngineKind;
  readonly servers?: Servers | undefined;
  readonly plant?: ((build: Build) => void) | undefined;
  readonly log: (line: string) => void;
}

/** Complaints of one oracle that are kept. */
const MOST_COMPLAINTS = 3;

/** Runs it in a world of its own; a cell that cannot go on is a complaint, too. Throws only when no world can be made. */
export async function runCell(cell: Cell, options: RunOptions): Promise<Run> {
  const startedAt = Date.now();
  const world = await World.create({ ...options, settings: cell.settings, shares: cell.shares });
  const complaints: string[] = [];
  const violations = Object.fromEntries(ORACLES.map(({ name }) => [name, 0]));
  let evidence: Evidence | undefined;
  const judge = async (when: string): Promise<void> => {
    evidence = await gather(world.journal.path, world.database.pool, world.replicas, world.expired);
    for (const oracle of ORACLES) {
      const found = oracle.violations(evidence, world.sampler.findings);
      violations[oracle.name] = Math.max(violations[oracle.name] ?? 0, found.length);
      complaints.push(
        ...found.slice(0, MOST_COMPLAINTS).map((violation) => `${when}, ${oracle.name}: ${violation}`),
      );
    }
  };
  try {
    await cell.run(world);
    await world.drained();
    await judge('afterwards');
    if (cell.replayable !== false) {
      await world.replayed();
      await judge('after reading again');
    }
  } catch (error) {
    complaints.push(`It could not go on: ${error instanceof Error ? error.stack : String(error)}`);
  } finally {
    await world.close();
  }
  const entries = [...(evidence?.journal.values() ?? [])];
  return {
    cell: cell.name,
    seed: options.seed,
    engine: options.engine,
    at: new Date(startedAt).toISOString(),
    seconds: (Date.now() - startedAt) / 1_000,
    events: entries.length,
    messages: entries.reduce((sum, { attempts }) => sum + attempts, 0),
    recoveries: world.recoveries,
    snapshots: world.sampler.findings.snapshots,
    answers: world.sampler.findings.answers,
    violations,
    complaints: [...complaints, ...world.complaints],
  };
}

/** Whether nothing at all was wrong. */
export function isClean({ violations, complaints }: Run): boolean {
  return complaints.length === 0 && Object.values(violations).every((count) => count === 0);
}
