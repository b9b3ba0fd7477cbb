/** Spend has reached a threshold of a budget: once per organisation, period and threshold; published after the commit. */
export class BudgetThresholdCrossed {
  constructor(
    readonly orgId: string,
    readonly period: 'month' | 'day',
    /** `2026-11` or `2026-11-24`, in the budget's time zone. */
    readonly periodName: string,
    /** Of the amount. */
    readonly percent: number,
    /** Exact decimals in the service's currency. */
    readonly amount: string,
    readonly spent: string,
  ) {}
}
