import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Principal } from '../../access/principal';
import { AppError } from '../../shared/errors';
import { DataGaps } from '../data-gaps';
import type { DataGap } from '../data-gaps.dto';

/** Takes note of a gap, so that it no longer keeps answers from being final. Throws `conflict` when it was before. */
export class AcknowledgeDataGapCommand extends Command<DataGap> {
  constructor(
    readonly principal: Principal,
    readonly gapId: string,
    readonly reason: string,
  ) {
    super();
  }
}

@CommandHandler(AcknowledgeDataGapCommand)
export class AcknowledgeDataGapHandler implements ICommandHandler<AcknowledgeDataGapCommand> {
  constructor(private readonly gaps: DataGaps) {}

  async execute({ principal, gapId, reason }: AcknowledgeDataGapCommand): Promise<DataGap> {
    const isNew = await this.gaps.acknowledge(gapId, principal.id, reason);
    const gap = await this.gaps.get(gapId);
    if (!isNew) throw new AppError('conflict', `This gap was acknowledged by ${gap.acknowledgedBy} already.`);
    return gap;
  }
}
