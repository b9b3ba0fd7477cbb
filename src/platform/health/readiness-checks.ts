import { Injectable } from '@nestjs/common';

/** Resolves with what is worth telling; throws with a sentence when the process cannot do its work. */
export type ReadinessCheck = () => Promise<string> | string;

/** What must hold for this process to be ready; each module adds its own. */
@Injectable()
export class ReadinessChecks {
  private readonly checks = new Map<string, ReadinessCheck>();
  private stopping = false;

  register(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** From now on the process is not ready, so that nothing new is sent to it. */
  stop(): void {
    this.stopping = true;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  all(): readonly (readonly [name: string, check: ReadinessCheck])[] {
    return [...this.checks];
  }
}
