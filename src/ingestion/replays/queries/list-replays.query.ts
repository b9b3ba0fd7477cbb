import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { pageOf, positionOf } from '../../../shared/list-cursor';
import type { Replay, ReplayState } from '../replay.entity';
import { Replays } from '../replays.repository';

export interface ReplayPage {
  /** Newest first. */
  readonly replays: readonly Replay[];
  readonly nextCursor: string | null;
}

export class ListReplaysQuery extends Query<ReplayPage> {
  constructor(
    readonly state: ReplayState | null,
    readonly cursor: string | undefined,
    readonly limit: number,
  ) {
    super();
  }
}

@QueryHandler(ListReplaysQuery)
export class ListReplaysHandler implements IQueryHandler<ListReplaysQuery> {
  constructor(private readonly replays: Replays) {}

  async execute({ state, cursor, limit }: ListReplaysQuery): Promise<ReplayPage> {
    const found = await this.replays.list(state, positionOf(cursor), limit + 1);
    const rows = found.map((replay) => ({ id: replay.replayId, micros: String(replay.requestedAt.getTime() * 1_000), replay })); // prettier-ignore
    const page = pageOf(rows, limit);
    return { replays: page.rows.map(({ replay }) => replay), nextCursor: page.nextCursor };
  }
}
