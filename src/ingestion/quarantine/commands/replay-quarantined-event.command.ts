import { Command, CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { OrgScope, Principal } from '../../../access/principal';
import { Clock } from '../../../shared/clock';
import { AppError } from '../../../shared/errors';
import { IngestUsageCommand } from '../../../shared/messages/ingest-usage.command';
import type { PositionedEvent } from '../../../shared/usage-event/usage-event';
import type { QuarantinedEventDetail } from '../quarantine.dto';
import { alreadyReviewed, detailOf, type KeptEvent, QuarantinedEvents } from '../quarantined-events';
import { AdmissibleEvents } from '../admissible-events';
import { StoredIdentities } from '../stored-identities';

export interface ReplayRequest {
  /** In place of what arrived; `null` to take that. */
  readonly payload: Record<string, unknown> | null;
  /** Also before the late horizon, while single events of the day are kept. */
  readonly admitLate: boolean;
  readonly reason: string | null;
}

/**
 * Stores a quarantined event as it arrived or corrected, by the way of any event: validated, and stored once whatever
 * its identity has seen. Throws `unanswerable` for one that is still not valid, `conflict` for one whose identity is
 * stored with another payload or that is reviewed already; it then stays as it is.
 */
export class ReplayQuarantinedEventCommand extends Command<QuarantinedEventDetail> {
  constructor(
    readonly scope: OrgScope | null,
    readonly principal: Principal,
    readonly quarantineId: string,
    readonly request: ReplayRequest,
  ) {
    super();
  }
}

/** A crash between the two commits leaves the event stored and open: replaying it again finds a duplicate and ends it. */
@CommandHandler(ReplayQuarantinedEventCommand)
export class ReplayQuarantinedEventHandler implements ICommandHandler<ReplayQuarantinedEventCommand> {
  constructor(
    private readonly quarantine: QuarantinedEvents,
    private readonly admissible: AdmissibleEvents,
    private readonly identities: StoredIdentities,
    private readonly commands: CommandBus,
    private readonly clock: Clock,
  ) {}

  async execute(command: ReplayQuarantinedEventCommand): Promise<QuarantinedEventDetail> {
    const { scope, principal, quarantineId, request } = command;
    const kept = await this.quarantine.get(scope, quarantineId);
    if (kept.state !== 'open') throw alreadyReviewed();
    const body = request.payload === null ? arrivedBody(kept) : Buffer.from(JSON.stringify(request.payload));
    const event = await this.admissible.read(body, request.admitLate);
    if (scope !== null && event.event.orgId !== scope.orgId) {
      throw new AppError('invalid', 'The event must be of the organisation of the path.', {
        violations: [{ pointer: '/payload/orgId', detail: 'must be the organisation of the path.' }],
      });
    }
    await this.quarantine.review(quarantineId, {
      state: 'replayed',
      by: principal.id,
      reason: request.reason,
      outcome: await this.store(event, kept),
      correctedPayload: request.payload,
    });
    return detailOf(await this.quarantine.get(scope, quarantineId));
  }

  private async store(positioned: PositionedEvent, { reason }: KeptEvent): Promise<'stored' | 'duplicate'> {
    const { event } = positioned;
    const known = await this.identities.compare(event, reason === 'conflict');
    if (known === 'other') throw identityTaken();
    if (known === 'same') return 'duplicate';
    const result = await this.commands.execute(
      new IngestUsageCommand({
        source: { kind: 'repair' },
        receivedAt: this.clock.now(),
        messages: 1,
        events: [positioned],
        rejects: [],
        unknownFields: event.unknownFields,
      }),
    );
    const [outcome] = result.outcomes;
    if (outcome === 'stored' || outcome === 'duplicate') return outcome;
    // Somebody stored the identity meanwhile, or the day's raw data was given up: quarantined anew, with its reason.
    throw outcome === 'conflict' ? identityTaken() : new AppError('gone', 'Single events of that day are no longer kept.'); // prettier-ignore
  }
}

function arrivedBody({ payloadBuffer, payloadTruncated, payloadBytes }: KeptEvent): Buffer {
  if (!payloadTruncated) return payloadBuffer;
  throw new AppError(
    'unanswerable',
    `Only the first ${payloadBuffer.length} of ${payloadBytes} bytes are kept: send a corrected payload.`,
    { violations: [{ pointer: '/payload', detail: 'must be given.' }] },
  );
}

function identityTaken(): AppError {
  return new AppError(
    'conflict',
    'Another payload is stored under this orgId and eventId: dismiss this event, or replay it corrected with an eventId of its own.',
  );
}
