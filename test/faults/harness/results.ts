import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { isClean, type Run } from './run-cell';

/** Adds a run to a file of JSON lines. */
export function record(file: string, run: Run): void {
  appendFileSync(file, `${JSON.stringify(run)}\n`);
}

export function recorded(file: string): Run[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Run);
}

/** Whether the oracle has found what was planted for it. */
export function isFound({ violations }: Run, oracle: string): boolean {
  return (violations[oracle] ?? 0) > 0;
}

/** The table of planted bugs, in Markdown; of each the last run. */
export function redTable(all: readonly Run[]): string {
  const last = new Map(all.flatMap((run) => (run.planted ? [[run.planted.bug, run] as const] : [])));
  const rows = [...last].map(([bug, run]) => {
    const oracle = run.planted?.oracle ?? '';
    const others = Object.keys(run.violations).filter((name) => name !== oracle && isFound(run, name));
    return [bug, oracle, isFound(run, oracle) ? 'red' : 'GREEN', others.join(', ')];
  });
  return inMarkdown([['bug', 'oracle', 'which turned', 'others that turned red'], ['---', '---', '---', '---'], ...rows]); // prettier-ignore
}

function inMarkdown(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** The table of honest runs by cell, in Markdown. */
export function table(all: readonly Run[]): string {
  const runs = all.filter(({ planted }) => planted === undefined);
  const cells = [...new Set(runs.map(({ cell }) => cell))];
  const head = [
    'cell',
    'runs',
    'seeds',
    'events',
    'lost',
    'doubled',
    'other',
    'recoveries',
    'p50 s',
    'max s',
  ];
  const rows = cells.map((cell) => rowOf(cell, runs.filter((run) => run.cell === cell))); // prettier-ignore
  return inMarkdown([head, head.map((_, n) => (n === 0 || n === 2 ? '---' : '---:')), ...rows]);
}

function rowOf(cell: string, runs: readonly Run[]): string[] {
  const recoveries = runs.flatMap((run) => run.recoveries).sort((a, b) => a - b);
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  const other = runs.filter((run) => {
    const { lost, doubled, ...others } = run.violations;
    return Object.values(others).some((count) => count > 0) || (isClean(run) === false && !lost && !doubled);
  });
  return [
    cell,
    String(runs.length),
    ranges(runs.map(({ seed }) => seed)),
    String(sum(({ events }) => events)),
    String(sum(({ violations }) => violations['lost'] ?? 0)),
    String(sum(({ violations }) => violations['doubled'] ?? 0)),
    String(other.length),
    String(recoveries.length),
    secondsOf(recoveries[Math.ceil(recoveries.length / 2) - 1]),
    secondsOf(recoveries.at(-1)),
  ];
}

/** `1–4, 7` for 1, 2, 3, 4 and 7. */
function ranges(seeds: readonly number[]): string {
  const sorted = [...new Set(seeds)].sort((a, b) => a - b);
  const parts: [number, number][] = [];
  for (const seed of sorted) {
    const last = parts.at(-1);
    if (last && last[1] === seed - 1) last[1] = seed;
    else parts.push([seed, seed]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

function secondsOf(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(1);
}
