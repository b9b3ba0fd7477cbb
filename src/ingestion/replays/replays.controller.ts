import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '../../access/principal';
import { CurrentPrincipal, Requires } from '../../access/requires.decorator';
import { ApiProblems } from '../../platform/http/api-problems.decorator';
import { UuidPipe } from '../../platform/http/uuid.pipe';
import { CancelReplayCommand } from './commands/cancel-replay.command';
import { RequestReplayCommand } from './commands/request-replay.command';
import { GetReplayQuery } from './queries/get-replay.query';
import { ListReplaysQuery } from './queries/list-replays.query';
import { answerOf, ListReplaysDto, pageAnswerOf, ReplayAnswer, ReplayPageAnswer, RequestReplayDto } from './replays.dto'; // prettier-ignore

const ROUTE = 'analytics/v1/admin/replays';

@ApiTags('trust and repair')
@Controller(ROUTE)
export class ReplaysController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post()
  @HttpCode(202)
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'Read a part of a stream again',
    description:
      'From an offset or a time up to the cursor, while new messages are read as ever. What is stored or quarantined ' +
      'already is counted and stays as it is.',
  })
  @ApiResponse({ status: 202, type: ReplayAnswer, headers: { Location: { description: 'The replay.', schema: { type: 'string' } } } }) // prettier-ignore
  @ApiProblems('invalid', 'conflict', 'unanswerable')
  async request(
    @CurrentPrincipal() principal: Principal,
    @Body() { partition, fromOffset, fromTime }: RequestReplayDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReplayAnswer> {
    const start = { offset: fromOffset ?? null, time: fromTime ?? null };
    const replay = await this.commands.execute(new RequestReplayCommand(principal, partition, start));
    void reply.header('location', `/${ROUTE}/${replay.replayId}`);
    return answerOf(replay);
  }

  @Get()
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'List replays, newest first' })
  @ApiOkResponse({ type: ReplayPageAnswer })
  @ApiProblems('invalid')
  async list(@Query() { state, cursor, limit = 50 }: ListReplaysDto): Promise<ReplayPageAnswer> {
    return pageAnswerOf(await this.queries.execute(new ListReplaysQuery(state ?? null, cursor, limit)));
  }

  @Get(':replayId')
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'A replay and what it has found' })
  @ApiParam({ name: 'replayId', format: 'uuid' })
  @ApiOkResponse({ type: ReplayAnswer })
  @ApiProblems('invalid', 'not_found')
  async get(@Param('replayId', UuidPipe) replayId: string): Promise<ReplayAnswer> {
    return answerOf(await this.queries.execute(new GetReplayQuery(replayId)));
  }

  @Delete(':replayId')
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'Cancel a replay', description: 'What is stored stays. Repeating it changes nothing.' }) // prettier-ignore
  @ApiParam({ name: 'replayId', format: 'uuid' })
  @ApiOkResponse({ type: ReplayAnswer })
  @ApiProblems('invalid', 'not_found', 'conflict')
  async cancel(@Param('replayId', UuidPipe) replayId: string): Promise<ReplayAnswer> {
    return answerOf(await this.commands.execute(new CancelReplayCommand(replayId)));
  }
}
