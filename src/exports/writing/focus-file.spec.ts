import { bucketsCovering } from '../../shared/time-window';
import { TimeZone } from '../../shared/time-zone';
import { RunningTotals } from './control-totals';
import { focusFile } from './focus-file';

const ORG = 'a0000000-0000-4000-8000-00000000000a';

/** Columns of feature level Mandatory, from the specification's column definitions. */
const MANDATORY = {
  '1.2':
    'BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName',
  '1.4':
    'BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost HostProviderName InvoiceIssuerName ListCost PricingQuantity PricingUnit ServiceCategory ServiceName ServiceProviderName',
};
/** Nullable only under conditions that a usage charge does not meet; the rest may not be null at all. */
const MAY_BE_NULL = ['BillingAccountName', 'ChargeClass'];
const DECIMALS = 'BilledCost ConsumedQuantity ContractedCost EffectiveCost ListCost PricingQuantity'.split(
  ' ',
);
const TIMES = 'BillingPeriodEnd BillingPeriodStart ChargePeriodEnd ChargePeriodStart'.split(' ');

const berlin = TimeZone.named('Europe/Berlin') ?? TimeZone.UTC;
const window = { start: Date.parse('2026-09-30T22:00:00Z'), end: Date.parse('2026-10-02T22:00:00Z') };

describe.each(['1.2', '1.4'] as const)('a file of FOCUS %s', (version) => {
  const buckets = bucketsCovering(window, 'day', berlin);
  const file = focusFile(
    {
      orgId: ORG,
      currency: 'EUR',
      provider: 'Example AI',
      specification: {
        window,
        granularity: 'daily',
        timeZone: berlin.name,
        filters: { modelIds: [], clientIds: [], statuses: [] },
        format: 'focus',
        focusVersion: version,
      },
    },
    buckets,
    version,
  );
  const totals = new RunningTotals();
  const rows = [
    ['0', 'meta/llama-3-70b', 'key-1', 'input', '1500000', '1.5', '0.0000000003', '12', '200'],
    ['1', 'meta/llama-3-70b', null, 'output', '0', '0', '0', null, null],
  ].map((row) => {
    const cells = file.record(row, totals);
    return Object.fromEntries(file.columns.map((column, index) => [column, cells[index]]));
  });

  it('has the mandatory columns, and not those of the other version', () => {
    expect(file.columns).toEqual(expect.arrayContaining(MANDATORY[version].split(' ')));
    const foreign =
      version === '1.2' ? ['HostProviderName', 'ServiceProviderName'] : ['ProviderName', 'PublisherName'];
    for (const column of foreign) expect(file.columns).not.toContain(column);
  });

  it('names its own columns with x_ and puts them last', () => {
    const own = file.columns.filter((column) => column.startsWith('x_'));
    expect(file.columns.slice(-own.length)).toEqual(own);
    for (const column of file.columns) expect(column).toMatch(/^(x_)?[A-Z][A-Za-z]{1,48}$/);
    expect(new Set(file.columns).size).toBe(file.columns.length);
  });

  it('has a value in every mandatory column that may not be null', () => {
    for (const row of rows) {
      for (const column of MANDATORY[version].split(' ')) {
        if (MAY_BE_NULL.includes(column)) expect(row[column]).toBeNull();
        else expect(row[column]).toEqual(expect.stringMatching(/\S/));
      }
      // Null has no other form: neither empty text nor a placeholder.
      expect(Object.values(row).filter((cell) => cell === '' || cell === undefined)).toEqual([]);
    }
  });

  it('writes times in UTC and numbers as plain decimals', () => {
    for (const row of rows) {
      for (const column of TIMES) expect(row[column]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      for (const column of DECIMALS) expect(row[column]).toMatch(/^\d+(\.\d+)?$/);
      expect(row['BillingCurrency']).toMatch(/^[A-Z]{3}$/);
    }
  });

  it('charges a period within the month of its time zone, with exclusive ends', () => {
    expect(rows[0]).toMatchObject({
      ChargePeriodStart: '2026-09-30T22:00:00Z',
      ChargePeriodEnd: '2026-10-01T22:00:00Z',
      BillingPeriodStart: '2026-09-30T22:00:00Z',
      BillingPeriodEnd: '2026-10-31T23:00:00Z',
    });
  });

  it('measures tokens, prices millions of them, and says of which kind they are', () => {
    expect(rows[0]).toMatchObject({
      ChargeCategory: 'Usage',
      ConsumedQuantity: '1500000',
      ConsumedUnit: 'Tokens',
      PricingQuantity: '1.5',
      PricingUnit: '1000000 Tokens',
      ServiceCategory: 'AI and Machine Learning',
      ServiceSubcategory: 'Generative AI',
      SkuId: 'meta/llama-3-70b:input-tokens',
      SkuMeter: 'Input Tokens',
      x_ClientId: 'key-1',
      x_Requests: '12',
    });
    expect(rows[1]).toMatchObject({ SkuMeter: 'Output Tokens', x_ClientId: null, x_Requests: null });
  });

  it('counts what it says', () => {
    expect(totals.totals()).toEqual({
      requests: '12',
      inputTokens: '1500000',
      cachedInputTokens: '200',
      outputTokens: '0',
      cost: '0.0000000003',
    });
  });
});
