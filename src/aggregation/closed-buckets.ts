import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { AnswerCache } from '../platform/cache/answer-cache';
import { Config } from '../platform/config/config';
import { sql } from '../platform/database/sql';
import type { Buckets } from '../shared/time-window';
import { addUp, type Cell, type Group, type PeriodCells, tooManyRows } from './series-cells';
import type { Period, SeriesQuestion } from './series-question';

const readClosedState = sql('aggregation/read-closed-state');

/**
 * Remembers what was read of the closed buckets of an organisation, so that a question that is asked again, as
 * dashboards do, reads only the open ones. An answer is the same with and without: what is remembered belongs to one
 * state of the organisation's closed hours (`sql/aggregation/read-closed-state.sql`), which is read in the snapshot of
 * the question, and while late events wait for a refresh, or rollups are rebuilt, nothing is taken from here.
 */
@Injectable()
export class ClosedBuckets {
  constructor(
    private readonly cache: AnswerCache,
    private readonly config: Config,
  ) {}

  /** The cells of a period; `read` reads those of a part of it. */
  async read(
    client: PoolClient,
    orgId: string,
    question: SeriesQuestion,
    { period, kept }: { readonly period: Period; readonly kept: readonly Group[] | null },
    read: (period: Period) => Promise<PeriodCells>,
  ): Promise<PeriodCells> {
    const { buckets } = period;
    const { rows } = await client.query<{ closed_through_ms: number; is_settled: boolean; version: string }>({
      ...readClosedState,
      values: [orgId, new Date(buckets.start), new Date(buckets.end)],
    });
    const [state] = rows;
    const closed = state?.is_settled === true ? closedCount(buckets, state.closed_through_ms) : 0;
    if (state === undefined || closed === 0) return read(period);

    let whole: PeriodCells | undefined;
    const key = keyOf(
      orgId,
      question,
      { ...period, buckets: partOf(buckets, 0, closed) },
      kept,
      state.version,
    );
    const remembered = await this.cache.wrap<readonly Cell[]>(
      key,
      this.config.closedBucketsCacheTtl,
      async () => {
        whole = await read(period);
        return whole.cells.filter(({ index }) => index < closed);
      },
    );
    if (whole) return whole;

    const open =
      closed < buckets.starts.length
        ? (await read({ ...period, buckets: partOf(buckets, closed) })).cells
        : [];
    const cells = [...remembered, ...open.map((cell) => ({ ...cell, index: cell.index + closed }))];
    if (cells.length > question.maxRows) throw tooManyRows(question.maxRows);
    return {
      buckets,
      cells,
      total: { counts: addUp(cells.map(({ counts }) => counts)), bins: cells.flatMap(({ bins }) => bins) },
    };
  }
}

/** How many buckets end at or before `through`. */
function closedCount({ starts, end }: Buckets, through: number): number {
  return [...starts.slice(1), end].filter((bucketEnd) => bucketEnd <= through).length;
}

/** The buckets from one place up to another, at least one. */
function partOf(buckets: Buckets, from: number, to = buckets.starts.length): Buckets {
  const starts = buckets.starts.slice(from, to);
  return { ...buckets, start: starts[0] as number, end: buckets.starts[to] ?? buckets.end, starts };
}

/** Names everything that the cells depend on. */
function keyOf(
  orgId: string,
  { groupBy, filters: { modelIds, clientIds } }: SeriesQuestion,
  { buckets: { starts, end }, counts, latencies }: Period,
  kept: readonly Group[] | null,
  version: string,
): string {
  const sorted = (ids: readonly string[] | null): string[] | null => ids && [...ids].sort();
  const filters = [sorted(modelIds), sorted(clientIds)];
  const question = [counts, latencies, starts, end, [...groupBy].sort(), ...filters, kept, version];
  return `closed-buckets/${orgId}/${createHash('sha256').update(JSON.stringify(question)).digest('base64url')}`;
}
