import { seededRandom, uuidAt } from '../../../src/cli/demo/seeded-random';
import type { UsageEventPayload } from '../../../src/shared/usage-event/usage-event.schema';
import { DAY_MS, HOUR_MS } from '../../../src/shared/time-zone';

/** Input tokens of organisation n are n modulo this, so that a leak shows even in a sum. */
export const MODULUS = 97;
export const ORGS = 5;
const MODELS = 4;

export type Kind = 'fresh' | 'late' | 'duplicate' | 'too-late' | 'not-json';

/** One message that a router has to send. */
export interface Message {
  readonly kind: Kind;
  /** Of the event, or what a message that is no event can be known by. */
  readonly id: string;
  readonly orgId: string;
  readonly body: string;
}

/** The n-th organisation, from 1. */
export function orgIdOf(n: number): string {
  return `0000000${n}-0000-4000-8000-00000000000${n}`;
}

export const ORG_IDS = Array.from({ length: ORGS }, (_, n) => orgIdOf(n + 1));

export interface Shares {
  readonly duplicate: number;
  readonly late: number;
  readonly poison: number;
}

export const SHARES: Shares = { duplicate: 0.05, late: 0.02, poison: 0.01 };
/** Duplicates are taken from so many messages before. */
const MEMORY = 3_000;
/** As far back as lateness goes; the horizon is 7 days. */
const LATEST_MS = 6 * DAY_MS;

/** Messages of a seed, one after the other: the same but for their times whenever they are made. */
export class Workload {
  private readonly random: () => number;
  private readonly recent: Message[] = [];
  /** How late events may be. */
  latestMs = LATEST_MS;

  constructor(
    seed: number,
    private readonly shares: Shares = SHARES,
  ) {
    this.random = seededRandom(seed);
  }

  next(now = Date.now()): Message {
    const { random, recent, shares } = this;
    const die = random();
    if (die < shares.duplicate && recent.length > 0) {
      const original = recent[this.below(recent.length)] as Message;
      return { ...original, kind: 'duplicate' };
    }
    if (die < shares.duplicate + shares.late) return this.remember(this.event('late', now));
    if (die < shares.duplicate + shares.late + shares.poison) {
      return random() < 0.5 ? this.event('too-late', now) : this.notJson(now);
    }
    return this.remember(this.event('fresh', now));
  }

  /** Sends nothing again of what was sent up to now. */
  forget(): void {
    this.recent.length = 0;
  }

  /** One message of each organisation: when they are stored, so is all that was sent before them. */
  sentinels(now = Date.now()): Message[] {
    return ORG_IDS.map((_, n) => this.remember(this.event('fresh', now, n + 1)));
  }

  private event(kind: 'fresh' | 'late' | 'too-late', now: number, org = 1 + this.below(ORGS)): Message {
    const { random } = this;
    const behind = { fresh: 0, late: HOUR_MS + this.below(this.latestMs), 'too-late': 9 * DAY_MS }[kind];
    const occurredAt = now - behind;
    const event: UsageEventPayload = {
      eventId: uuidAt(occurredAt, random),
      orgId: orgIdOf(org),
      modelId: `vendor/model-${this.below(MODELS)}`,
      occurredAt: new Date(occurredAt).toISOString(),
      status: random() < 0.05 ? 'error' : 'success',
      latencyMs: 50 + this.below(5_000),
      inputTokens: org + MODULUS * this.below(40),
      outputTokens: this.below(900),
      cost: `${this.below(3)}.${String(this.below(10_000_000_000)).padStart(10, '0')}`,
      clientId: `client-${this.below(3)}`,
    };
    return { kind, id: event.eventId, orgId: event.orgId, body: JSON.stringify(event) };
  }

  private notJson(now: number): Message {
    const id = uuidAt(now, this.random);
    return { kind: 'not-json', id, orgId: orgIdOf(1 + this.below(ORGS)), body: `{"poison":"${id}` };
  }

  private remember(message: Message): Message {
    this.recent.push(message);
    if (this.recent.length > MEMORY) this.recent.shift();
    return message;
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }
}

/** Whether so many requests of the organisation cannot have this sum of tokens. */
export function isForeign(orgId: string, requests: bigint, inputTokens: bigint): boolean {
  const residue = BigInt(ORG_IDS.indexOf(orgId) + 1);
  return (inputTokens - requests * residue) % BigInt(MODULUS) !== 0n;
}
