import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import type { OrgScope } from '../access/principal';
import { ApiPool } from '../platform/database/pools';
import { sql, sqlOver, type Statement } from '../platform/database/sql';
import { type Dimension, type Relation, ROLLUPS, SKETCHES } from './choose-relation';
import { ClosedBuckets } from './closed-buckets';
import { inReadingTransaction } from './reading-transaction';
import { type Counts, type Group, type PeriodCells, type SeriesCells, tooManyRows } from './series-cells';
import type { Period, SeriesQuestion } from './series-question';

const COLUMN_OF = { org: 'orgId', model: 'modelId', client: 'clientId', status: 'status' } as const;
type GroupColumns = Partial<Record<(typeof COLUMN_OF)[Dimension], string>>;
type SeriesRow = GroupColumns & Counts & { slot: number | null; other: boolean | null };
type BinsRow = GroupColumns & { slot: number; other?: boolean; packed: number[] };

/** A statement over a relation and the dimensions that its columns and parameters have, in their order. */
interface Reading {
  readonly statement: Statement;
  readonly dimensions: readonly Dimension[];
}
type Readings = ReadonlyMap<Relation, Reading>;

interface Subject {
  readonly series: Readings;
  readonly topGroups: Readings;
  /** By the relation, and whether models are told apart. */
  readonly bins: (relation: Relation, groupBy: ReadonlySet<Dimension>) => Reading;
  /** First parameter of every statement. */
  readonly orgs: string | readonly string[] | null;
}

const OF_ROLLUPS = ['model', 'client'] as const;
const OF_EVENTS = ['model', 'client', 'status'] as const;
const EVENT_BINS: Reading = { statement: sql('aggregation/latency-bins-of-events'), dimensions: OF_EVENTS };
const BINS = readings('aggregation/latency-bins', SKETCHES, [], EVENT_BINS);
const BINS_BY_MODEL = readings('aggregation/latency-bins-by-model', SKETCHES, ['model'], EVENT_BINS);
const PLATFORM_BINS = readings('aggregation/platform-latency-bins', SKETCHES, ['org', 'model']);
const ORG = {
  series: readings('aggregation/series', ROLLUPS, OF_ROLLUPS, {
    statement: sql('aggregation/series-of-events'),
    dimensions: OF_EVENTS,
  }),
  topGroups: readings('aggregation/top-groups', ROLLUPS, OF_ROLLUPS, {
    statement: sql('aggregation/top-groups-of-events'),
    dimensions: OF_EVENTS,
  }),
  bins: (relation: Relation, groupBy: ReadonlySet<Dimension>) =>
    readingOf(groupBy.has('model') ? BINS_BY_MODEL : BINS, relation),
};
const PLATFORM = {
  series: readings('aggregation/platform-series', ROLLUPS, ['org', 'model', 'client']),
  topGroups: readings('aggregation/platform-top-groups', ROLLUPS, ['org', 'model', 'client']),
  bins: (relation: Relation) => readingOf(PLATFORM_BINS, relation),
};

function readings(
  path: string,
  relations: readonly Relation[],
  dimensions: readonly Dimension[],
  ofEvents?: Reading,
): Readings {
  const over = sqlOver<Relation>(path, relations);
  const all = new Map(
    relations.map((relation) => [relation, { statement: over.over(relation), dimensions }]),
  );
  if (ofEvents) all.set('usage_events', ofEvents);
  return all;
}

/** Reads what a question for a series asks for, all of one answer from the same committed data. */
@Injectable()
export class SeriesReader {
  constructor(
    private readonly pool: ApiPool,
    private readonly closedBuckets: ClosedBuckets,
  ) {}

  readOrg({ orgId }: OrgScope, question: SeriesQuestion): Promise<SeriesCells> {
    const subject = { ...ORG, orgs: orgId };
    return this.read(subject, question, (client, period, kept) =>
      this.closedBuckets.read(client, orgId, question, { period, kept }, (part) =>
        readPeriod(client, subject, question, part, kept),
      ),
    );
  }

  /** Over all organisations: only behind a permission for the platform. */
  readPlatform(question: SeriesQuestion): Promise<SeriesCells> {
    const subject = { ...PLATFORM, orgs: question.filters.orgIds };
    return this.read(subject, question, (client, period, kept) =>
      readPeriod(client, subject, question, period, kept),
    );
  }

  private async read(
    subject: Subject,
    question: SeriesQuestion,
    readCells: (client: PoolClient, period: Period, kept: readonly Group[] | null) => Promise<PeriodCells>,
  ): Promise<SeriesCells> {
    return inReadingTransaction(this.pool, async (client) => {
      const kept = await topGroups(client, subject, question);
      const current = await readCells(client, question.current, kept);
      const previous = question.previous && (await readCells(client, question.previous, kept));
      return { current, previous, kept };
    });
  }
}

async function readPeriod(
  client: PoolClient,
  subject: Subject,
  question: SeriesQuestion,
  period: Period,
  kept: readonly Group[] | null,
): Promise<PeriodCells> {
  const { maxRows } = question;
  const series = readingOf(subject.series, period.counts);
  const { rows } = await client.query<SeriesRow>({
    ...series.statement,
    // One for the total and one to notice that there are too many.
    values: [...parametersOf(subject, question, period, kept, series), maxRows + 2],
  });
  const [total, ...counted] = rows;
  if (!total) throw new Error('The statement of a series answered without its total.');
  if (counted.length > maxRows) throw tooManyRows(maxRows);
  const packed = await readPackedBins(client, subject, question, period, kept);
  return {
    buckets: period.buckets,
    total: { counts: total, bins: [...packed.values()].flat() },
    cells: counted.map((row) => ({
      index: (row.slot ?? 0) - 1,
      group: groupOf(row),
      isOther: row.other === true,
      counts: row,
      bins: packed.get(keyOf(row)) ?? [],
    })),
  };
}

async function topGroups(
  client: PoolClient,
  { topGroups, orgs }: Subject,
  { limit, orderBy, current, filters, groupBy }: SeriesQuestion,
): Promise<Group[] | null> {
  if (limit === null || groupBy.size === 0) return null;
  const { statement, dimensions } = readingOf(topGroups, current.counts);
  const { rows } = await client.query<GroupColumns>({
    ...statement,
    values: [
      orgs,
      new Date(current.buckets.start),
      new Date(current.buckets.end),
      orderBy,
      filters.modelIds,
      filters.clientIds,
      ...dimensions.map((dimension) => groupBy.has(dimension)),
      limit,
    ],
  });
  return rows.map(groupOf);
}

/** What the sketch says, by bucket and group; empty when no percentiles are asked for. */
async function readPackedBins(
  client: PoolClient,
  subject: Subject,
  question: SeriesQuestion,
  period: Period,
  kept: readonly Group[] | null,
): Promise<Map<string, number[][]>> {
  const packed = new Map<string, number[][]>();
  if (period.latencies === null) return packed;
  const bins = subject.bins(period.latencies, question.groupBy);
  const { rows } = await client.query<BinsRow>({
    ...bins.statement,
    values: parametersOf(subject, question, period, kept, bins),
  });
  for (const row of rows) packed.set(keyOf(row), [...(packed.get(keyOf(row)) ?? []), row.packed]);
  return packed;
}

/** The parameters that statements of series and of latency bins have in common, in their order. */
function parametersOf(
  { orgs }: Subject,
  { filters, groupBy }: SeriesQuestion,
  { buckets }: Period,
  kept: readonly Group[] | null,
  { dimensions }: Reading,
): unknown[] {
  return [
    orgs,
    new Date(buckets.start),
    new Date(buckets.end),
    buckets.starts.map((start) => new Date(start).toISOString()),
    filters.modelIds,
    // A sketch knows no clients; a question that filters by them never comes to one.
    ...(dimensions.includes('client') ? [filters.clientIds] : []),
    ...dimensions.map((dimension) => groupBy.has(dimension)),
    ...dimensions.map((dimension) => kept?.map((group) => group[dimension]) ?? null),
  ];
}

function readingOf(readings: Readings, relation: Relation): Reading {
  const reading = readings.get(relation);
  if (!reading) throw new Error(`No statement reads the relation ${relation} for this question.`);
  return reading;
}

function groupOf({ orgId = '', modelId = '', clientId = '', status = '' }: GroupColumns): Group {
  return { org: orgId, model: modelId, client: clientId, status };
}

function keyOf(row: GroupColumns & { slot: number | null; other?: boolean | null }): string {
  const { org, model, client, status } = groupOf(row);
  return JSON.stringify([row.slot, row.other === true, org, model, client, status]);
}
