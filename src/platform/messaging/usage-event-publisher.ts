import type { UsageEvent } from '../../shared/usage-event/usage-event';

/** `accepted`: safe with the broker, or committed. The others are known only where the commit is waited for. */
export type PublishOutcome = 'accepted' | 'duplicate' | 'conflict' | 'quarantined';

/** Hands events that came over HTTP on to ingestion. */
export abstract class UsageEventPublisher {
  /**
   * Resolves with the outcome of each event, in order, when all are safe. Throws `AppError('unavailable')` when that
   * cannot be said of every one of them: the caller sends all of them again, and identities keep them single.
   */
  abstract publish(events: readonly UsageEvent[]): Promise<readonly PublishOutcome[]>;
}
