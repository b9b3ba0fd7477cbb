import type { Pool } from 'pg';
import { pause } from '../../../src/cli/servers/server-program';
import type { Journal } from './journal';
import type { Replica } from './replica';
import { isForeign, ORG_IDS } from './workload';

/** What was seen while the faults went on. */
export interface Findings {
  /** Snapshots of the database that were compared, and answers of the API that were held against the database. */
  readonly snapshots: number;
  readonly answers: number;
  readonly imbalances: readonly string[];
  readonly leaks: readonly string[];
  readonly dishonesties: readonly string[];
}

const EVERY_MS = 400;
const ANSWER_WITHIN_MS = 5_000;
/** How much younger than the answer its figures may be: the cache, and the way. */
const LAG_TOLERANCE_SECONDS = 2;
/** Of one kind; more would say the same. */
const MOST_FINDINGS = 20;

interface Snapshot {
  readonly crooked_hours: number;
  readonly events: number;
  readonly keys: number;
  readonly batches_stored: number;
  readonly ledger_quarantined: number;
  readonly quarantined: number;
  readonly next_offset: number;
  readonly read_through: number;
  readonly gaps: number;
}

/**
 * One statement, for a transaction of repeatable read: its snapshot is taken before the statement is planned. By itself
 * it could be planned before TimescaleDB makes a chunk, and then miss the rows of that chunk alone.
 */
const SNAPSHOT = `
with counted as (
  select org_id, date_trunc('hour', occurred_at, 'UTC') as hour, count(*) as stored from usage_events group by 1, 2
)
select
  (select count(*)::integer from counted full join ingest_ledger as ledger using (org_id, hour)
   where coalesce(counted.stored, 0) <> coalesce(ledger.stored, 0)) as crooked_hours,
  (select count(*)::integer from usage_events) as events,
  (select count(*)::integer from usage_event_keys) as keys,
  (select coalesce(sum(stored), 0)::integer from ingest_batches) as batches_stored,
  (select coalesce(sum(quarantined + conflicts), 0)::integer from ingest_ledger) as ledger_quarantined,
  (select count(*)::integer from quarantined_events where org_id is not null and occurred_at is not null) as quarantined,
  coalesce((select next_offset from ingest_cursors where partition = 0), 0)::integer as next_offset,
  coalesce((select last_offset + 1 from ingest_batches where partition = 0 and source = 'stream'
            order by batch_id desc limit 1), 0)::integer as read_through,
  (select count(*)::integer from data_gaps) as gaps`;

const MISSING = `
select event_id from unnest($1::uuid[], $2::uuid[]) as expected (org_id, event_id)
where not exists (
  select from usage_event_keys as known where known.org_id = expected.org_id and known.event_id = expected.event_id)`;

/** Looks at the system again and again, past all faults, for what must hold at every moment. */
export class Sampler {
  private readonly imbalances: string[] = [];
  private readonly leaks: string[] = [];
  private readonly dishonesties: string[] = [];
  private snapshots = 0;
  private answers = 0;
  private turn = 0;
  private ended = false;
  private resting = false;
  private clocksAgree = true;
  private running: Promise<void> | undefined;
  /** Events that are known to be stored need not be looked for again. */
  private readonly settled = new Set<string>();

  constructor(
    private readonly pool: Pool,
    private readonly replicas: readonly Replica[],
    private readonly journal: Journal,
  ) {}

  get findings(): Findings {
    const { snapshots, answers, imbalances, leaks, dishonesties } = this;
    return { snapshots, answers, imbalances, leaks, dishonesties };
  }

  start(): void {
    this.running = this.run();
  }

  /** Looks away while `work` does something to the database that no service does. */
  async without<Result>(work: () => Promise<Result>): Promise<Result> {
    this.resting = true;
    await pause(2 * EVERY_MS);
    try {
      return await work();
    } finally {
      this.resting = false;
    }
  }

  /** Whether lags are compared; where replicas' clocks are wrong on purpose they cannot be. */
  trustClocks(trust: boolean): void {
    this.clocksAgree = trust;
  }

  /** Forgets what is stored: an older state of the database has come back. */
  forget(): void {
    this.settled.clear();
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      if (!this.resting) {
        // A server or replica that is away answers nothing: that is what the cell is about.
        await this.compareLedger().catch(() => undefined);
        await this.compareAnswers().catch(() => undefined);
      }
      await pause(EVERY_MS);
    }
  }

  private async compareLedger(): Promise<void> {
    const [seen] = await this.snapshot();
    if (!seen || this.resting) return;
    this.snapshots += 1;
    const { crooked_hours, events, keys, batches_stored, next_offset, read_through, gaps } = seen;
    const told = (what: string) => note(this.imbalances, `${what}: ${JSON.stringify(seen)}`);
    if (crooked_hours > 0) told('The ledger differs from the events in some hours');
    if (events !== batches_stored) told('The batches differ from the events');
    if (events !== keys) told('The keys differ from the events');
    if (seen.quarantined !== seen.ledger_quarantined) told('The ledger differs from the quarantine');
    if (next_offset !== 0 && next_offset < read_through) told('The cursor stands within a stored batch');
    if (next_offset > read_through && gaps === 0) told('The cursor is ahead of what was stored');
  }

  private async snapshot(): Promise<readonly Snapshot[]> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    try {
      await client.query('begin isolation level repeatable read');
      const { rows } = await client.query<Snapshot>(SNAPSHOT);
      await client.query('commit');
      return rows;
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure);
    }
  }

  private async compareAnswers(): Promise<void> {
    const up = this.replicas.filter(({ isUp }) => isUp);
    const replica = up[this.turn % up.length];
    const orgId = ORG_IDS[this.turn % ORG_IDS.length] as string;
    this.turn += 1;
    if (!replica) return;
    await this.compareFreshness(replica, orgId);
    await this.compareUsage(replica, orgId);
    this.answers += 1;
  }

  private async compareFreshness(replica: Replica, orgId: string): Promise<void> {
    const askedAt = Date.now();
    const answer = await replica.ask(`/orgs/${orgId}/freshness`, { withinMs: ANSWER_WITHIN_MS });
    if (!answer.ok) return;
    const told = (await answer.json()) as {
      dataThrough: string | null;
      lagSeconds: number | null;
      openGaps: number;
    };
    if (told.dataThrough === null) return;
    const dataThrough = Date.parse(told.dataThrough);
    const lag = (askedAt - dataThrough) / 1_000;
    if (this.clocksAgree && (told.lagSeconds ?? -Infinity) < lag - LAG_TOLERANCE_SECONDS) {
      note(this.dishonesties, `A lag of ${lag} s is told as ${told.lagSeconds} s`);
    }
    const due = [...this.journal.entries.values()].filter(
      ({ id, kind, confirmedAt = Infinity }) =>
        (kind === 'fresh' || kind === 'late') && confirmedAt <= dataThrough && !this.settled.has(id),
    );
    const { rows } = await this.pool.query<{ event_id: string }>(MISSING, [
      due.map((entry) => entry.orgId),
      due.map(({ id }) => id),
    ]);
    if (this.resting) return;
    const missing = new Set(rows.map(({ event_id }) => event_id));
    for (const { id } of due) if (!missing.has(id)) this.settled.add(id);
    // What the answer says may be lost is not passed over in silence.
    if (missing.size > 0 && told.openGaps > 0) await this.forgiveGaps(missing);
    if (missing.size > 0) {
      note(
        this.dishonesties,
        `Data are told to be complete through ${told.dataThrough}, ${missing.size} events lack`,
      );
    }
  }

  /** Leaves out what was sent within a gap that is on record. */
  private async forgiveGaps(missing: Set<string>): Promise<void> {
    const { rows } = await this.pool.query<{ from: Date | null; through: Date }>(
      'select data_from as "from", data_through as "through" from data_gaps where acknowledged_at is null',
    );
    for (const id of missing) {
      const sentAt = this.journal.entries.get(id)?.sentAt ?? Infinity;
      if (rows.some(({ from, through }) => sentAt >= (from?.getTime() ?? 0) && sentAt <= through.getTime()))
        missing.delete(id);
    }
  }

  private async compareUsage(replica: Replica, orgId: string): Promise<void> {
    const { rows } = await this.pool.query<{ stored: number; dirty: number }>(
      `select (select count(*)::integer from usage_events where org_id = $1) as stored,
              (select count(*)::integer from dirty_windows) as dirty`,
      [orgId],
    );
    const answer = await replica.ask(`/orgs/${orgId}/usage?start=now-7d&end=now&granularity=day`, {
      withinMs: ANSWER_WITHIN_MS,
    });
    if (!answer.ok || this.resting) return;
    const { totals } = (await answer.json()) as { totals: { requests: number; inputTokens: number } };
    if (isForeign(orgId, BigInt(totals.requests), BigInt(totals.inputTokens))) {
      note(this.leaks, `The API says ${JSON.stringify(totals)} of ${orgId}`);
    }
    const { stored = 0, dirty = 1 } = rows[0] ?? {};
    // Late hours that wait for their refresh are known to lack something: no answer about them is final.
    if (dirty === 0 && totals.requests < stored) {
      note(
        this.dishonesties,
        `The API counts ${totals.requests} events of ${orgId}, of which ${stored} were stored`,
      );
    }
  }
}

function note(findings: string[], finding: string): void {
  if (findings.length < MOST_FINDINGS) findings.push(finding);
}
