import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { Replay } from '../replay.entity';
import { Replays } from '../replays.repository';

export class GetReplayQuery extends Query<Replay> {
  constructor(readonly replayId: string) {
    super();
  }
}

@QueryHandler(GetReplayQuery)
export class GetReplayHandler implements IQueryHandler<GetReplayQuery> {
  constructor(private readonly replays: Replays) {}

  execute({ replayId }: GetReplayQuery): Promise<Replay> {
    return this.replays.find(replayId);
  }
}
