import { type IQueryHandler, Query, QueryBus, QueryHandler } from '@nestjs/cqrs';
import type { OrgScope } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { ApiPool } from '../../platform/database/pools';
import { sql } from '../../platform/database/sql';
import { Clock } from '../../shared/clock';
import { GetFreshnessQuery } from '../../shared/messages/get-freshness.query';
import type { TimeWindow } from '../../shared/time-window';
import type { Certificate, CertificateParameters } from '../certificate.dto';
import { certifiableWindow } from '../certifiable-window';
import { incompleteReasons } from '../incomplete-reasons';
import { type Layer, Reconciliation } from '../reconciliation';
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
    const { account, layers, moved } = await this.readLayers(orgId, window, rawFrom);
    const { openConflicts, openQuarantined, replayed, dismissed, ...events } = account;
    const reasons = incompleteReasons({ window, freshness, openGaps: openGaps.length, openConflicts, openQuarantined, layers, moved }); // prettier-ignore
    return {
      orgId,
      window: { start: new Date(window.start).toISOString(), end: new Date(window.end).toISOString() },
      complete: reasons.length === 0,
      reasons,
      events,
      review: { openConflicts, openQuarantined, replayed, dismissed },
      raw: rawFrom !== null && window.start < rawFrom.getTime() ? null : rawOf(layers),
      layers,
      openGaps,
      freshness,
      issuedAt: now.toISOString(),
    };
  }

  private async readLayers(orgId: string, window: TimeWindow, rawFrom: Date | null) {
    let before = await this.readAccount(orgId, window);
    for (let attempt = 1; ; attempt += 1) {
      const reconciliation = new Reconciliation(this.pool, { orgId, listed: LISTED_DIFFERENCES });
      await reconciliation.compare(window, rawFrom);
      await reconciliation.compareQuarantine(window);
      const account = await this.readAccount(orgId, window);
      const moved = account.received !== before.received;
      if (!moved || attempt === ATTEMPTS) return { account, layers: reconciliation.result(), moved };
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
