import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Principal } from '../../access/principal';
import { Config } from '../../platform/config/config';
import { type PublishOutcome, UsageEventPublisher } from '../../platform/messaging/usage-event-publisher';
import { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import { decodeUsageEnvelope, MAX_EVENTS_PER_MESSAGE } from '../../shared/usage-event/decode-usage-message';
import type { PositionedEvent } from '../../shared/usage-event/usage-event';
import { decodeRulesOf } from '../decode-rules';
import type { UsageEventResult, UsageEventsAnswer } from '../usage-events.dto';

/** Checks the events of a request and, unless `validateOnly`, hands the valid ones on. */
export class AcceptUsageEventsCommand extends Command<UsageEventsAnswer> {
  constructor(
    readonly principal: Principal,
    /** The parsed body: a bare event, an array, or CloudEvents. */
    readonly envelope: unknown,
    readonly validateOnly: boolean,
  ) {
    super();
  }
}

@CommandHandler(AcceptUsageEventsCommand)
export class AcceptUsageEventsHandler implements ICommandHandler<AcceptUsageEventsCommand> {
  constructor(
    private readonly publisher: UsageEventPublisher,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async execute({ principal, envelope, validateOnly }: AcceptUsageEventsCommand): Promise<UsageEventsAnswer> {
    if (Array.isArray(envelope) && envelope.length > MAX_EVENTS_PER_MESSAGE) {
      throw new AppError('too_large', `A request must hold at most ${MAX_EVENTS_PER_MESSAGE} events.`);
    }
    const decoded = decodeUsageEnvelope(envelope, decodeRulesOf(this.config), this.clock.now().getTime());
    const isOwn = ({ event }: PositionedEvent): boolean =>
      principal.orgId === null || principal.orgId === event.orgId;
    const own = decoded.events.filter(isOwn);
    const foreign = decoded.events.filter((positioned) => !isOwn(positioned));
    const outcomes =
      validateOnly || own.length === 0
        ? own.map(() => 'accepted' as const)
        : await this.publisher.publish(own.map(({ event }) => event));
    const results: UsageEventResult[] = [
      ...own.map(({ index, event }, place) => ({
        index,
        eventId: event.eventId,
        ...resultOf(outcomes[place] ?? 'accepted'),
      })),
      // Exactly what an organisation answers that is not on the list of known ones.
      ...foreign.map(({ index, event }) => ({
        index,
        eventId: event.eventId,
        status: 'rejected' as const,
        reason: 'unknown_org' as const,
        detail: '/orgId is not an organisation of this deployment.',
      })),
      ...decoded.rejects.map(({ index, reject }) => ({
        index,
        eventId: reject.eventId,
        status: 'rejected' as const,
        reason: reject.reason,
        detail: reject.detail,
      })),
    ];
    return { results: results.sort((a, b) => a.index - b.index) };
  }
}

function resultOf(outcome: PublishOutcome): Omit<UsageEventResult, 'index' | 'eventId'> {
  if (outcome !== 'quarantined') return { status: outcome };
  return {
    status: 'rejected',
    reason: 'unstorable',
    detail: 'It could not be stored; the quarantine has it with the reason.',
  };
}
