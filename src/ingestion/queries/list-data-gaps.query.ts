import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { pageOf, positionOf } from '../../shared/list-cursor';
import { DataGaps } from '../data-gaps';
import type { DataGapPage, ListDataGapsDto } from '../data-gaps.dto';

const PAGE = 50;

/** Gaps of the streams, newest first. */
export class ListDataGapsQuery extends Query<DataGapPage> {
  constructor(readonly parameters: ListDataGapsDto) {
    super();
  }
}

@QueryHandler(ListDataGapsQuery)
export class ListDataGapsHandler implements IQueryHandler<ListDataGapsQuery> {
  constructor(private readonly gaps: DataGaps) {}

  async execute({ parameters }: ListDataGapsQuery): Promise<DataGapPage> {
    const { state, partition, cursor, limit = PAGE } = parameters;
    const isOpen = state === undefined ? null : state === 'open';
    const found = await this.gaps.list(isOpen, partition ?? null, positionOf(cursor), limit + 1);
    const { rows, nextCursor } = pageOf(found, limit);
    return { gaps: rows.map(({ gap }) => gap), nextCursor };
  }
}
