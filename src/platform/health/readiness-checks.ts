import { Injectable } from '@nestjs/common';
import { Clock } from '../../shared/clock';

/** Resolves with what is worth telling; throws with a sentence when the process cannot do its work. */
export type ReadinessCheck = () => Promise<string> | string;

export interface CheckState {
  readonly up: boolean;
  /** What is worth telling, or why the check does not hold. */
  readonly detail: string;
  /** When `up` was seen to change last, or was asked first. */
  readonly since: Date;
}

const CHECK_TIMEOUT_MS = 3_000;

/** What must hold for this process to be ready; each module adds its own. */
@Injectable()
export class ReadinessChecks {
  private readonly checks = new Map<string, ReadinessCheck>();
  private readonly states = new Map<string, CheckState>();
  private stopping = false;

  constructor(private readonly clock: Clock) {}

  register(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** From now on the process is not ready, so that nothing new is sent to it. */
  stop(): void {
    this.stopping = true;
  }

  all(): readonly (readonly [name: string, check: ReadinessCheck])[] {
    return [...this.checks];
  }

  /** Asks one check, for three seconds at most. Never throws. */
  async ask(name: string, check: ReadinessCheck): Promise<CheckState> {
    const answer = await this.answerOf(check);
    const before = this.states.get(name);
    const since = before?.up === answer.up ? before.since : this.clock.now();
    const state = { ...answer, since };
    this.states.set(name, state);
    return state;
  }

  private async answerOf(check: ReadinessCheck): Promise<Pick<CheckState, 'up' | 'detail'>> {
    if (this.stopping) return { up: false, detail: 'The process is stopping.' };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('No answer within 3 s.')), CHECK_TIMEOUT_MS);
    });
    try {
      return { up: true, detail: await Promise.race([check(), late]) };
    } catch (error) {
      return { up: false, detail: error instanceof Error ? error.message || error.name : String(error) };
    } finally {
      clearTimeout(timer);
    }
  }
}
