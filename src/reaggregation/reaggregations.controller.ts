import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '../access/principal';
import { CurrentPrincipal, Requires } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { UuidPipe } from '../platform/http/uuid.pipe';
import { CancelReaggregationCommand } from './commands/cancel-reaggregation.command';
import { RequestReaggregationCommand } from './commands/request-reaggregation.command';
import { GetReaggregationQuery } from './queries/get-reaggregation.query';
import { ListReaggregationsQuery } from './queries/list-reaggregations.query';
import { answerOf, ListReaggregationsDto, pageAnswerOf, ReaggregationAnswer, ReaggregationPageAnswer, RequestReaggregationDto } from './reaggregations.dto'; // prettier-ignore

const ROUTE = 'analytics/v1/admin/reaggregations';

@ApiTags('trust and repair')
@Controller(ROUTE)
export class ReaggregationsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post()
  @HttpCode(202)
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'Compute the rollups of a window again from its events',
    description:
      'Answers with a job at once; while one for the same window and organisation is open, with that. Answers to ' +
      'questions stay as they are or become right while it runs. Doing it again changes nothing.',
  })
  @ApiResponse({ status: 202, type: ReaggregationAnswer, headers: { Location: { description: 'The job.', schema: { type: 'string' } } } }) // prettier-ignore
  @ApiProblems('invalid', 'unanswerable')
  async request(
    @CurrentPrincipal() principal: Principal,
    @Body() { window, orgId, timezone = 'UTC' }: RequestReaggregationDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReaggregationAnswer> {
    const { start, end } = window;
    const job = await this.commands.execute(
      new RequestReaggregationCommand(principal, { start, end }, timezone, orgId?.toLowerCase() ?? null),
    );
    void reply.header('location', `/${ROUTE}/${job.jobId}`);
    return answerOf(job);
  }

  @Get()
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'List re-aggregations, newest first' })
  @ApiOkResponse({ type: ReaggregationPageAnswer })
  @ApiProblems('invalid')
  async list(
    @Query() { state, cursor, limit = 50 }: ListReaggregationsDto,
  ): Promise<ReaggregationPageAnswer> {
    return pageAnswerOf(
      await this.queries.execute(new ListReaggregationsQuery(state ?? null, cursor, limit)),
    );
  }

  @Get(':jobId')
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'A re-aggregation and how far it is' })
  @ApiParam({ name: 'jobId', format: 'uuid' })
  @ApiOkResponse({ type: ReaggregationAnswer })
  @ApiProblems('invalid', 'not_found')
  async get(@Param('jobId', UuidPipe) jobId: string): Promise<ReaggregationAnswer> {
    return answerOf(await this.queries.execute(new GetReaggregationQuery(jobId)));
  }

  @Delete(':jobId')
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'Cancel a re-aggregation',
    description: 'What is rebuilt stays. Repeating it changes nothing.',
  })
  @ApiParam({ name: 'jobId', format: 'uuid' })
  @ApiOkResponse({ type: ReaggregationAnswer })
  @ApiProblems('invalid', 'not_found', 'conflict')
  async cancel(@Param('jobId', UuidPipe) jobId: string): Promise<ReaggregationAnswer> {
    return answerOf(await this.commands.execute(new CancelReaggregationCommand(jobId)));
  }
}
