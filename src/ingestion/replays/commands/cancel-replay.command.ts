import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { AppError } from '../../../shared/errors';
import type { Replay } from '../replay.entity';
import { Replays } from '../replays.repository';

/** Ends an open replay after the batch it is at. One that has finished is a `conflict`. */
export class CancelReplayCommand extends Command<Replay> {
  constructor(readonly replayId: string) {
    super();
  }
}

@CommandHandler(CancelReplayCommand)
export class CancelReplayHandler implements ICommandHandler<CancelReplayCommand> {
  constructor(private readonly replays: Replays) {}

  async execute({ replayId }: CancelReplayCommand): Promise<Replay> {
    await this.replays.cancel(replayId);
    const replay = await this.replays.find(replayId);
    if (replay.state === 'cancelled') return replay;
    throw new AppError('conflict', `This replay has ${replay.state} already and cannot be cancelled.`);
  }
}
