import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { oneOf, runCommand, wholeNumber } from '../../../src/cli/command-line';
import { startServers } from '../../../src/cli/servers/start-servers';
import type { StorageEngineKind } from '../../../src/platform/database/storage-engine';
import { ENGINES } from '../../support/engines';
import { prepareTemplates } from '../../support/test-database';
import { publish } from '../../support/test-servers';
import { Build } from './build';
import type { Cell } from './cell';
import { CELLS } from './cells/all';
import { BUGS } from './red/all';
import { isFound, record, recorded, redTable, table } from './results';
import { isClean, type Run, runCell } from './run-cell';

const ROOT = join(__dirname, '..', '..', '..');
const RESULTS = join(ROOT, '.data', 'faults.jsonl');
const DOCUMENT = join(ROOT, 'docs', 'reliability.md');

const HELP = `Usage: npm run faults [-- options]

Breaks what the service depends on, and the service, and counts by identity what became of every event.

  --cell NAME      only this cell; may be given again (default: every cell)
  --seed S         of the first run; further runs count up (default: 1). 2, 3, 6, 7, 10, … read the stream by its own
                   protocol, the others over AMQP 0-9-1
  --runs N         runs of each cell (default: 1)
  --minutes M      repeats until so many minutes have passed
  --parallel N     so many runs at a time of cells that leave the servers alone (default: 1)
  --engine NAME    timescale or postgres (default: in turn, where there is TimescaleDB)
  --red            only plants a bug for each oracle and fails if that oracle does not find it
  --results FILE   appends each run to this file of JSON lines (default: .data/faults.jsonl)
  --report         writes the table of the results into docs/reliability.md and runs nothing
  --list           lists the cells

Exit code 0: nothing was lost, doubled or wrong. 1: something was; the seed repeats the run. 2: wrong options.`;

async function main(): Promise<void> {
  const { values } = options();
  const results = values.results ?? RESULTS;
  if (values.help) return console.log(HELP);
  if (values.list) return console.log(CELLS.map(({ name, about }) => `${name}\n    ${about}`).join('\n'));
  if (values.report) return report(results);
  const cells = (values.cell ?? (values.red ? [] : CELLS.map(({ name }) => name))).map(cellOf);
  const firstSeed = wholeNumber('--seed', values.seed ?? '1');
  const runs = wholeNumber('--runs', values.runs ?? '1');
  const minutes = values.minutes === undefined ? 0 : wholeNumber('--minutes', values.minutes);
  const parallel = wholeNumber('--parallel', values.parallel ?? '1');
  const engine = values.engine === undefined ? undefined : oneOf('--engine', values.engine, ENGINES);

  const log = (line: string): void => console.error(line);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const frozen = mkdtempSync(join(tmpdir(), 'faults-build-'));
  Build.freeze(frozen);
  const servers = await startServers({ postgres: true, rabbitmq: true, redis: true, private: true, log });
  log(`${servers.describe()} serve`);
  publish(servers);
  const tally = { done: 0, failed: 0 };
  try {
    await prepareTemplates();
    const engines = engine
      ? [engine]
      : ENGINES.filter((each) => each !== 'timescale' || servers.timescaleAvailable);
    const engineOf = (seed: number) => engines[seed % engines.length] as StorageEngineKind;
    const attempt = async (cell: Cell, seed: number): Promise<void> => {
      const run = await runCell(cell, { seed, engine: engineOf(seed), servers, log });
      record(results, run);
      tally.done += 1;
      if (!isClean(run)) tally.failed += 1;
      log(lineOf(run));
    };
    const plan = planned(cells, firstSeed, runs, minutes);
    const gentle = plan(({ needsServers }) => !needsServers);
    await Promise.all(Array.from({ length: parallel }, () => work(gentle, attempt)));
    await work(
      plan(({ needsServers }) => needsServers === true),
      attempt,
    );
    if (values.red || values.cell === undefined) {
      for (const bug of BUGS) {
        const engine = engineOf(firstSeed);
        const run = await runCell(bug.cell, {
          seed: firstSeed,
          engine,
          servers,
          log,
          plant: bug.plant,
        });
        record(results, { ...run, planted: { bug: bug.name, oracle: bug.oracle } });
        const { violations } = run;
        const found = isFound(run, bug.oracle);
        tally.done += 1;
        if (!found) tally.failed += 1;
        log(
          `${found ? 'red  ' : 'GREEN'}  ${bug.name}: ${bug.oracle} found ${violations[bug.oracle]}; ${JSON.stringify(violations)}`,
        );
      }
    }
  } finally {
    await servers.stop();
    rmSync(frozen, { recursive: true, force: true });
  }
  console.log(`${tally.done - tally.failed} of ${tally.done} runs as they should be`);
  // Not left to Node.js: with hundreds of connections broken by faults it was seen to spin for ever in its own clean-up.
  process.exit(tally.failed > 0 ? 1 : 0);
}

type Attempts = Iterator<readonly [Cell, number]>;

/** Runs in their order for those of the cells that are chosen; the minutes begin with the first choice. */
function planned(cells: readonly Cell[], firstSeed: number, runs: number, minutes: number) {
  const until = Date.now() + minutes * 60_000;
  return function* (chosen: (cell: Cell) => boolean): Generator<readonly [Cell, number]> {
    const mine = cells.filter(chosen);
    if (mine.length === 0) return;
    for (let n = 0; n < runs || Date.now() < until; n += 1) {
      for (const cell of mine) yield [cell, firstSeed + n];
    }
  };
}

async function work(plan: Attempts, attempt: (cell: Cell, seed: number) => Promise<void>): Promise<void> {
  for (let next = plan.next(); !next.done; next = plan.next()) await attempt(...next.value);
}

function options() {
  try {
    return parseArgs({
      options: {
        cell: { type: 'string', multiple: true },
        seed: { type: 'string' },
        runs: { type: 'string' },
        minutes: { type: 'string' },
        parallel: { type: 'string' },
        engine: { type: 'string' },
        results: { type: 'string' },
        report: { type: 'boolean' },
        red: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

function cellOf(name: string): Cell {
  const cell = CELLS.find((each) => each.name === name);
  if (cell) return cell;
  console.error(`There is no cell "${name}"; the cells are ${CELLS.map((each) => each.name).join(', ')}.`);
  process.exit(2);
}

function lineOf(run: Run): string {
  const verdict = isClean(run) ? 'clean' : 'WRONG';
  const recovered = run.recoveries.map((seconds) => seconds.toFixed(1)).join(' ');
  const line = `${verdict}  ${run.cell} seed ${run.seed} on ${run.engine}: ${run.events} events, ${run.snapshots} snapshots, ${run.answers} answers, recovered in ${recovered || '–'} s, ${run.seconds.toFixed(0)} s`;
  return [line, ...run.complaints.map((complaint) => `    ${complaint}`)].join('\n');
}

/** Replaces what stands between the marks of the document. */
function report(results: string): void {
  const runs = recorded(results);
  let document = readFileSync(DOCUMENT, 'utf8');
  document = between(document, 'runs', table(runs));
  document = between(document, 'red', redTable(runs));
  writeFileSync(DOCUMENT, document);
}

function between(document: string, mark: string, text: string): string {
  const [begin, end] = [`<!-- ${mark}: begin -->`, `<!-- ${mark}: end -->`];
  const [before, after] = [document.indexOf(begin) + begin.length, document.indexOf(end)];
  if (after < before) throw new Error(`${DOCUMENT} has no ${begin} before ${end}.`);
  return `${document.slice(0, before)}\n\n${text}\n\n${document.slice(after)}`;
}

runCommand(main);
