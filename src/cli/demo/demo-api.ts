/** What the demo shows of the service's answers; the OpenAPI document has the whole. */
export interface UsageTotals {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Exact decimal. */
  readonly costExact: string;
}

export interface ReliabilityTotals {
  readonly errorRate: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

export interface Freshness {
  readonly dataThrough: string;
  readonly lagSeconds: number;
  readonly status: string;
  readonly final: boolean;
}

export interface ReportRow {
  readonly name: string;
  readonly usage: UsageTotals;
  readonly reliability: ReliabilityTotals;
}

/** One row a model and one for all of them, each computed by the service. */
export interface Report {
  readonly models: readonly ReportRow[];
  readonly total: ReportRow;
  readonly freshness: Freshness;
}

interface Answer<Totals> {
  readonly series: readonly { readonly modelId?: string }[];
  readonly totals: Totals;
  readonly freshness: Freshness;
}

/** Asks the running service about the demo's organisation and window. */
export class DemoApi {
  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly orgId: string,
    private readonly start: string,
    private readonly end: string,
  ) {}

  async requests(): Promise<number> {
    return (await this.get<UsageTotals>('usage')).totals.requests;
  }

  async report(): Promise<Report> {
    const byModel = await this.get<UsageTotals>('usage', { groupBy: 'model' });
    const modelIds = [...new Set(byModel.series.map(({ modelId }) => modelId ?? ''))].sort();
    return {
      models: await Promise.all(modelIds.map((modelId) => this.row(modelId, { modelId }))),
      total: await this.row('all models'),
      freshness: byModel.freshness,
    };
  }

  /** Lines to paste into a shell. */
  curlLines(): string {
    const ask = (path: string) => `  curl -s -H "Authorization: Bearer $TOKEN" '${this.url}${path}'`;
    const org = `/analytics/v1/orgs/${this.orgId}`;
    return [
      `API documentation: ${this.url}/docs   health: ${this.url}/healthz/ready   metrics: ${this.url}/metrics`,
      '',
      `  TOKEN=${this.token}`,
      ask(`${org}/usage?start=now-24h&end=now&granularity=hour&groupBy=model`),
      ask(`${org}/reliability?start=now-24h&end=now&granularity=hour`),
      ask(`${org}/freshness`),
    ].join('\n');
  }

  private async row(name: string, filter: Record<string, string> = {}): Promise<ReportRow> {
    const [usage, reliability] = await Promise.all([
      this.get<UsageTotals>('usage', filter),
      this.get<ReliabilityTotals>('reliability', filter),
    ]);
    return { name, usage: usage.totals, reliability: reliability.totals };
  }

  private async get<Totals>(
    question: string,
    parameters: Record<string, string> = {},
  ): Promise<Answer<Totals>> {
    const query = new URLSearchParams({
      start: this.start,
      end: this.end,
      granularity: 'hour',
      ...parameters,
    });
    const answer = await fetch(
      `${this.url}/analytics/v1/orgs/${this.orgId}/${question}?${query.toString()}`,
      {
        headers: { authorization: `Bearer ${this.token}` },
      },
    );
    if (!answer.ok) throw new Error(`The service answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Answer<Totals>;
  }
}
