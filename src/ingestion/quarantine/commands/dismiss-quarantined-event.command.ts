import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { OrgScope, Principal } from '../../../access/principal';
import type { QuarantinedEventDetail } from '../quarantine.dto';
import { alreadyReviewed, detailOf, QuarantinedEvents } from '../quarantined-events';

/** Says that a quarantined event need not be counted, and why. Throws `conflict` when it is reviewed already. */
export class DismissQuarantinedEventCommand extends Command<QuarantinedEventDetail> {
  constructor(
    readonly scope: OrgScope | null,
    readonly principal: Principal,
    readonly quarantineId: string,
    readonly reason: string,
  ) {
    super();
  }
}

@CommandHandler(DismissQuarantinedEventCommand)
export class DismissQuarantinedEventHandler implements ICommandHandler<DismissQuarantinedEventCommand> {
  constructor(private readonly quarantine: QuarantinedEvents) {}

  async execute(command: DismissQuarantinedEventCommand): Promise<QuarantinedEventDetail> {
    const { scope, principal, quarantineId, reason } = command;
    const { state } = await this.quarantine.get(scope, quarantineId);
    if (state !== 'open') throw alreadyReviewed();
    const review = { state: 'dismissed', by: principal.id, reason, outcome: null, correctedPayload: null } as const; // prettier-ignore
    await this.quarantine.review(quarantineId, review);
    return detailOf(await this.quarantine.get(scope, quarantineId));
  }
}
