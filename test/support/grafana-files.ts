import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { blocksOf } from './documented-commands';
import { ORG_A } from './usage-events';

export const INFINITY = 'yesoreyeram-infinity-datasource';
const CHART = join(__dirname, '../../charts/usage-analytics');

/** A query as the Infinity data source stores it. */
export interface StoredQuery {
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly format: string;
  readonly url: string;
  readonly url_options: { readonly params: readonly { readonly key: string; readonly value: string }[] };
  readonly root_selector: string;
  readonly columns: readonly { readonly selector: string; readonly text: string; readonly type: string }[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: {
    readonly queryType: string;
    readonly meta: { readonly textField: string; readonly valueField: string };
    readonly infinityQuery: StoredQuery;
  };
  readonly current: { readonly value?: string };
  readonly allValue?: string;
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly targets: readonly (StoredQuery & { readonly refId: string })[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

interface AlertRule {
  readonly uid: string;
  readonly title: string;
  readonly condition: string;
  readonly data: readonly {
    readonly refId: string;
    readonly datasourceUid: string;
    readonly relativeTimeRange: { readonly from: number };
    readonly model: StoredQuery & { readonly expression?: string };
  }[];
}

export interface ProvisionedSource {
  readonly uid: string;
  readonly type: string;
  readonly url: string;
  readonly jsonData: { readonly allowedHosts: readonly string[]; readonly customHealthCheckUrl: string };
  readonly secureJsonData: Readonly<Record<string, string>>;
}

/** Values of variables by name. */
export type Choices = Readonly<Record<string, string>>;

/** A stored query where it is asked. */
export interface AskedQuery {
  readonly name: string;
  readonly query: StoredQuery;
  /** Length of the time range in an alert rule; dashboards leave it to who looks at them. */
  readonly seconds?: number;
  /** What the variables hold when the dashboard opens. */
  readonly opening: Choices;
}

/** Everything that is shipped for Grafana, as text. */
export const grafanaFiles = [...filesOf('dashboards', '.json'), ...filesOf('grafana', '.yaml')];

export const dashboards = grafanaFiles
  .filter(({ name }) => name.startsWith('dashboards/') && name.endsWith('.json'))
  .map(({ text }) => JSON.parse(text) as Dashboard);

export const alertRules = grafanaFiles
  .filter(({ name }) => name.startsWith('grafana/alerting/'))
  .flatMap(({ text }) => (parse(text) as { groups: { rules: AlertRule[] }[] }).groups)
  .flatMap(({ rules }) => rules);

export const dataSources = grafanaFiles
  .filter(({ name }) => name.startsWith('grafana/datasources/'))
  .flatMap(({ text }) => (parse(text) as { datasources: ProvisionedSource[] }).datasources);

const panelQueries = dashboards.flatMap((dashboard) =>
  dashboard.panels.flatMap(({ title, targets }) =>
    targets.map((query): AskedQuery => {
      return { name: `${dashboard.title} / ${title} / ${query.refId}`, query, opening: openingOf(dashboard) };
    }),
  ),
);

export const variableQueries = dashboards.flatMap((dashboard) =>
  dashboard.templating.list
    .filter(({ type }) => type === 'query')
    .map(({ name, query }): AskedQuery => {
      const title = `${dashboard.title} / variable ${name}`;
      return { name: title, query: query.infinityQuery, opening: openingOf(dashboard) };
    }),
);

const alertQueries = alertRules.flatMap(({ title, data }) =>
  data
    .filter(({ datasourceUid }) => datasourceUid !== '__expr__')
    .map(({ refId, model, relativeTimeRange }): AskedQuery => {
      return {
        name: `alert ${title} / ${refId}`,
        query: model,
        seconds: relativeTimeRange.from,
        opening: {},
      };
    }),
);

const documentedQueries = blocksOf('docs/api.md', 'json infinity').map(({ text }, index): AskedQuery => ({
  name: `docs/api.md / ${index + 1}`,
  query: JSON.parse(text) as StoredQuery,
  opening: { org: ORG_A },
}));

export const storedQueries = [...panelQueries, ...variableQueries, ...alertQueries, ...documentedQueries];

/** The macros that the plugin fills in on the server, and the variables that the dashboard fills in before. */
export function filled(text: string, range: { from: Date; to: Date }, choices: Choices): string {
  const done = text
    .replaceAll('${__timeFrom:date:iso}', range.from.toISOString())
    .replaceAll('${__timeTo:date:iso}', range.to.toISOString())
    .replace(/\$\{(\w+)(?::csv)?\}/g, (all, name: string) => choices[name] ?? all);
  if (done.includes('$')) throw new Error(`Nothing fills in ${done}.`);
  return done;
}

/** What a selector of the plugin finds: names with dots between; the empty one is the whole. */
export function select(value: unknown, selector: string): unknown {
  const found = selector
    .split('.')
    .filter((name) => name !== '')
    .reduce<unknown>((parent, name) => (parent as Record<string, unknown> | null)?.[name], value);
  if (found === undefined)
    throw new Error(`There is no ${selector} among ${Object.keys(value ?? {}).join(', ')}`);
  return found;
}

function filesOf(folder: string, extension: string): { name: string; text: string }[] {
  return readdirSync(join(CHART, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(join(CHART, folder, name), 'utf8') }));
}

function openingOf({ templating }: Dashboard): Choices {
  const values = templating.list.map(({ name, current, allValue }) => {
    return [name, current.value === '$__all' ? allValue : current.value];
  });
  const opening = Object.fromEntries(values) as Record<string, string | undefined>;
  return { ...opening, org: opening['org'] ?? ORG_A };
}
