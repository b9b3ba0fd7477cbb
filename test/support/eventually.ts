import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats an assertion until it holds; fails with its last failure after `withinMs`. */
export async function eventually<Result>(
  assertion: () => Promise<Result> | Result,
  withinMs = 20_000,
): Promise<Result> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
