/** How long after their confirmation events became visible: from counts that were confirmed and counts that were seen. */
export class VisibleDelay {
  private readonly confirmed: { readonly at: number; readonly count: number }[] = [];
  private readonly delays: number[] = [];
  private looked = 0;

  /** So many events had been confirmed at this instant, milliseconds. */
  noteConfirmed(at: number, count: number): void {
    this.confirmed.push({ at, count });
  }

  /** The answer to a question asked at this instant counted so many events. */
  noteSeen(askedAt: number, count: number): void {
    while ((this.confirmed[this.looked]?.count ?? Infinity) <= count) this.looked += 1;
    const oldestUnseen = this.confirmed[this.looked];
    this.delays.push(oldestUnseen ? Math.max(0, askedAt - oldestUnseen.at) : 0);
  }

  /** Milliseconds that the oldest event had waited which the latest answer did not show. */
  get latest(): number {
    return this.delays.at(-1) ?? 0;
  }

  /** Milliseconds: the longest that an event waited, and percentiles over all questions. */
  result(): {
    readonly longest: number;
    readonly p50: number;
    readonly p99: number;
    readonly questions: number;
  } {
    const sorted = [...this.delays].sort((left, right) => left - right);
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Infinity;
    return { longest: sorted.at(-1) ?? Infinity, p50: at(0.5), p99: at(0.99), questions: sorted.length };
  }
}
