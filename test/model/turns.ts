import type { Scheduler } from 'fast-check';

/** What becomes of a step that a replica takes at a server: done; the connection breaks before it, or just after it. */
export type Fate = 'done' | 'breaks-before' | 'breaks-after';

/** As node-postgres says it. */
export function connectionError(): Error {
  return new Error('Connection terminated unexpectedly');
}

/** Never settles: a process that was killed goes no further. */
export function never<Result>(): Promise<Result> {
  return new Promise(() => undefined);
}

/**
 * Everything that waits for a server waits here for its turn; fast-check chooses whose turn is next, and which of the
 * turns end with a broken connection.
 */
export class Turns {
  /** What must never happen, and did. */
  readonly violations: string[] = [];
  private next = 0;

  constructor(
    private readonly scheduler: Scheduler,
    /** Fates of steps in their order; those beyond the end are done. */
    private fates: readonly Fate[],
  ) {}

  /** Resolves with the fate of the step when it is its turn. */
  async turn(label: string): Promise<Fate> {
    await this.scheduler.schedule(Promise.resolve(), label);
    this.next += 1;
    return this.fates[this.next - 1] ?? 'done';
  }

  get areWaiting(): boolean {
    return this.scheduler.count() > 0;
  }

  /** Gives one of those who wait its turn, and lets everything happen that follows from it without a server. */
  async take(): Promise<void> {
    await this.scheduler.waitOne();
    await settle();
  }

  /** From now on nothing breaks. */
  heal(): void {
    this.fates = [];
  }

  insist(holds: boolean, violation: () => string): void {
    if (!holds) this.violations.push(violation());
  }
}

/** Lets everything happen that waits for neither a server nor a timer. The only timer that is not the test's. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
