/** What the API is asked by `npm run bench:read`. */
export interface Question {
  readonly name: string;
  readonly path: string;
  /** The 95th percentile to reach, milliseconds. */
  readonly figureMs: number;
}

/** About one organisation; `path` is what follows it. */
export const ORG_QUESTIONS: readonly Question[] = [
  { name: 'usage, 7 days by hour', path: '/usage?start=now-7d&end=now&granularity=hour', figureMs: 100 },
  { name: 'usage, 7 days by day and model', path: '/usage?start=now-7d&end=now&granularity=day&groupBy=model', figureMs: 100 },
  { name: 'usage, 7 days by day in Asia/Kathmandu', path: '/usage?start=now-7d&end=now&granularity=day&timezone=Asia/Kathmandu', figureMs: 100 },
  { name: 'reliability, 7 days by day', path: '/reliability?start=now-7d&end=now&granularity=day', figureMs: 300 },
  { name: 'reliability, 7 days by hour', path: '/reliability?start=now-7d&end=now&granularity=hour', figureMs: 300 },
  { name: 'usage, 13 months by day', path: '/usage?start=now-390d&end=now&granularity=day', figureMs: 300 },
  { name: 'reliability, 7 days by day and model', path: '/reliability?start=now-7d&end=now&granularity=day&groupBy=model', figureMs: 300 },
  { name: 'summary of 7 days', path: '/summary?start=now-7d&end=now', figureMs: 300 },
  { name: 'freshness', path: '/freshness', figureMs: 100 },
]; // prettier-ignore

export const PLATFORM_QUESTIONS: readonly Question[] = [
  { name: 'platform, 7 days by hour', path: '/analytics/v1/usage?start=now-7d&end=now&granularity=hour', figureMs: 1_000 },
  { name: 'platform, 7 days by hour, ten organisations and the others', path: '/analytics/v1/usage?start=now-7d&end=now&granularity=hour&groupBy=org&limit=10', figureMs: 1_000 },
  { name: 'platform reliability, 7 days by hour', path: '/analytics/v1/reliability?start=now-7d&end=now&granularity=hour', figureMs: 1_000 },
]; // prettier-ignore

export function pathOf(orgId: string, { path }: Question): string {
  return `/analytics/v1/orgs/${orgId}${path}`;
}
