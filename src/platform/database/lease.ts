import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { WorkerPool } from './pools';
import { sql } from './sql';

const TTL_MS = 30_000;
const RENEW_EVERY_MS = 10_000;
const ASK_AGAIN_MS = 250;
const RELEASE_ATTEMPTS = 4;

const acquireLease = sql('platform/acquire-lease');
const renewLease = sql('platform/renew-lease');
const releaseLease = sql('platform/release-lease');

/** Another process may have the lease by now: what is under way must not be continued. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

/** Held while the work it was acquired for runs. */
export interface Lease {
  /** Throws `LeaseLostError` once the lease may have passed to another process; ask before each step. */
  assertHeld(): void;
}

/**
 * Lets one process at a time do a piece of work. A process that dies loses its lease after 30 s, by the database's
 * clock; one that was paused finds out by its own clock before it goes on.
 */
@Injectable()
export class Leases {
  private readonly logger = new Logger(Leases.name);

  constructor(private readonly pool: WorkerPool) {}

  /**
   * Runs `work` under the lease and answers its result, or `undefined` without having run it when somebody else,
   * in this process or another, has the lease and keeps it for `waitMs`. Aborting `signal` ends the waiting.
   */
  async run<Result>(
    name: string,
    work: (lease: Lease) => Promise<Result>,
    { waitMs = 0, signal }: { waitMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<Result | undefined> {
    const owner = randomUUID();
    const deadline = performance.now() + waitMs;
    let heldSince = performance.now();
    let epoch = await this.acquire(name, owner);
    while (epoch === undefined) {
      if (performance.now() >= deadline) return undefined;
      await sleep(ASK_AGAIN_MS, undefined, { signal });
      heldSince = performance.now();
      epoch = await this.acquire(name, owner);
    }

    const claim = [name, owner, epoch];
    const renewal = setInterval(() => {
      const asked = performance.now();
      this.pool.query({ ...renewLease, values: [...claim, TTL_MS] }).then(
        ({ rowCount }) => {
          heldSince = rowCount === 1 ? asked : -Infinity;
        },
        (err: unknown) => this.logger.warn({ err, lease: name }, 'A lease could not be renewed'),
      );
    }, RENEW_EVERY_MS);
    const lease: Lease = {
      assertHeld: () => {
        if (performance.now() - heldSince >= TTL_MS) throw new LeaseLostError(`The lease ${name} was lost.`);
      },
    };
    try {
      return await work(lease);
    } finally {
      clearInterval(renewal);
      await this.release(claim);
    }
  }

  /** Tried again, because what ended the work may have been the connection: otherwise nobody works until it expires. */
  private async release(claim: readonly unknown[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.pool.query({ ...releaseLease, values: [...claim] });
        return;
      } catch (err) {
        if (attempt === RELEASE_ATTEMPTS) {
          this.logger.warn({ err, lease: claim[0] }, 'A lease could not be given back, it will expire');
          return;
        }
      }
      await sleep(ASK_AGAIN_MS);
    }
  }

  private async acquire(name: string, owner: string): Promise<string | undefined> {
    const { rows } = await this.pool.query<{ epoch: string }>({
      ...acquireLease,
      values: [name, owner, TTL_MS],
    });
    return rows[0]?.epoch;
  }
}
