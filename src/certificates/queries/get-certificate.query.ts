import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { TimeWindow } from '../../shared/time-window';
import { DAY_MS } from '../../shared/time-zone';
import type { Certificate, CertificateParameters } from '../certificate.dto';
import { certifiableWindow } from '../certifiable-window';
import { incompleteReasons } from '../incomplete-reasons';
import { daysOf, type Layer, Reconciliation } from '../reconciliation';
import { readOpenGaps } from '../open-gaps';

const windowAccount = sql('certificates/window-account');
const readKeptFrom = sql('certificates/read-kept-from');

const LISTED_DIFFERENCES = 100;
/** Events that arrive meanwhile would make layers differ that do not. */
const ATTEMPTS = 3;

/** The proof that a window of an organisation is complete, or what it lacks. Throws `AppError` for a window that cannot be certified. */
export class GetCertificateQuery extends Query<Certificate> {
  constructor(
    readonly scope: OrgScope,
    readonly parameters: CertificateParameters,
  ) {
    super();
  }
}

interface Account {
  readonly received: string;
  readonly stored: string;
  readonly duplicates: string;
  readonly conflicts: string;
  readonly quarantined: string;
  readonly openConflicts: string;
  readonly openQuarantined: string;
  readonly replayed: string;
  readonly dismissed: string;
  /** By the start of the day, milliseconds since the epoch; days without events are not there. */
  readonly receivedByDay: Readonly<Record<string, string>>;
}

@QueryHandler(GetCertificateQuery)
export class GetCertificateHandler implements IQueryHandler<GetCertificateQuery> {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly pool: ApiPool,
    private readonly queries: QueryBus,
  ) {}

  async execute({ scope: { orgId }, parameters }: GetCertificateQuery): Promise<Certificate> {
    const now = this.clock.now();
    const { rawFrom, hoursFrom } = await this.readKeptFrom();
    const { retentionHourly } = this.config;
    const window = certifiableWindow(parameters, now.getTime(), { retentionHourly, hoursFrom });
    // Asked first: it is never better than what is read after it.
    const freshness = await this.queries.execute(new GetFreshnessQuery(orgId, window));
    const openGaps = await readOpenGaps(this.pool, window, this.config.lateHorizon);
    // Of what is not committed yet more will arrive, and the certificate says so: comparing again would not help.
    const { dataThrough } = freshness;
    const attempts = dataThrough !== null && Date.parse(dataThrough) >= window.end ? ATTEMPTS : 1;
    const { account, layers, moved } = await this.readLayers(orgId, window, rawFrom, attempts);
    const { received, stored, duplicates, conflicts, quarantined } = account;
    const { openConflicts, openQuarantined, replayed, dismissed } = account;
    const reasons = incompleteReasons({ window, freshness, openGaps: openGaps.length, openConflicts, openQuarantined, layers, moved }); // prettier-ignore
    return {
      orgId,
      window: { start: new Date(window.start).toISOString(), end: new Date(window.end).toISOString() },
      complete: reasons.length === 0,
      reasons,
      events: { received, stored, duplicates, conflicts, quarantined },
      review: { openConflicts, openQuarantined, replayed, dismissed },
      raw: rawFrom !== null && window.start < rawFrom.getTime() ? null : rawOf(layers),
      layers,
      openGaps,
      freshness,
      issuedAt: now.toISOString(),
    };
  }

  /** Compares each day of the window, and again those of which events have arrived meanwhile. */
  private async readLayers(orgId: string, window: TimeWindow, rawFrom: Date | null, attempts: number) {
    const reconciliation = new Reconciliation(this.pool, { orgId, listed: LISTED_DIFFERENCES });
    const days = [...daysOf(window)];
    let before = await this.readAccount(orgId, window);
    for (let due = days, attempt = 1; ; attempt += 1) {
      await reconciliation.compare(due, rawFrom);
      await reconciliation.compareQuarantine(window);
      const account = await this.readAccount(orgId, window);
      due = days.filter((day) => receivedOn(day, account) !== receivedOn(day, before));
      const moved = due.length > 0;
      if (!moved || attempt === attempts) return { account, layers: reconciliation.result(), moved };
      before = account;
    }
  }

  private async readAccount(orgId: string, { start, end }: TimeWindow): Promise<Account> {
    const values = [orgId, new Date(start), new Date(end)];
    const { rows } = await this.pool.query<Account>({ ...windowAccount, values });
    const [account] = rows;
    if (!account) throw new Error('The statement of the account of a window answered nothing.');
    return account;
  }

  private async readKeptFrom(): Promise<{ rawFrom: Date | null; hoursFrom: Date | null }> {
    const { rows } = await this.pool.query<{ raw_from: Date | null; hours_from: Date | null }>(readKeptFrom);
    return { rawFrom: rows[0]?.raw_from ?? null, hoursFrom: rows[0]?.hours_from ?? null };
  }
}

function rawOf(layers: readonly Layer[]): Layer['expected'] {
  const quarters = layers.find(({ relation, against }) => relation === 'usage_15min' && against === 'usage_events'); // prettier-ignore
  return quarters?.expected ?? { requests: '0', inputTokens: '0', outputTokens: '0', cost: '0' };
}

function receivedOn({ start }: TimeWindow, { receivedByDay }: Account): string | undefined {
  return receivedByDay[Math.floor(start / DAY_MS) * DAY_MS];
}
