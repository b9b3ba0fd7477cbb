import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common'; // prettier-ignore
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { OrgScope, Principal } from '../access/principal';
import { CurrentPrincipal, Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { UuidPipe } from '../platform/http/uuid.pipe';
import { CancelExportCommand } from './commands/cancel-export.command';
import { RequestExportCommand } from './commands/request-export.command';
import { ExportAnswer, ExportPageAnswer, answerOf, pageAnswerOf } from './export-answers.dto';
import { ListExportsDto, RequestExportDto, requestOf } from './exports.dto';
import { parseIdempotencyKey } from './idempotency-key';
import { ManifestAnswer } from './manifest.dto';
import { GetExportDownloadQuery } from './queries/get-export-download.query';
import { GetExportManifestQuery } from './queries/get-export-manifest.query';
import { GetExportQuery } from './queries/get-export.query';
import { ListExportsQuery } from './queries/list-exports.query';

const ROUTE = 'analytics/v1/orgs/:orgId/exports';

@ApiTags('exports')
@ApiParam({ name: 'orgId', format: 'uuid' })
@Controller(ROUTE)
export class ExportsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Post()
  @HttpCode(202)
  @Requires('exports:write')
  @ApiOperation({
    summary: 'Ask for a file',
    description:
      'Answers with a job at once; its file is written in the background. With an Idempotency-Key the same request ' +
      'answers the same job, however often it is sent.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  })
  @ApiResponse({ status: 202, type: ExportAnswer, headers: { Location: { description: 'The job.', schema: { type: 'string' } } } }) // prettier-ignore
  @ApiProblems('invalid', 'not_found', 'conflict', 'unanswerable', 'limited')
  async request(
    @Scope() scope: OrgScope,
    @CurrentPrincipal() principal: Principal,
    @Body() body: RequestExportDto,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExportAnswer> {
    const request = requestOf(body);
    const job = await this.commands.execute(
      new RequestExportCommand(scope, principal, request, parseIdempotencyKey(key)),
    );
    void reply.header('location', `/${ROUTE.replace(':orgId', scope.orgId)}/${job.jobId}`);
    return answerOf(job);
  }

  @Get()
  @Requires('exports:read')
  @ApiOperation({ summary: 'List export jobs, newest first' })
  @ApiResponse({ status: 200, type: ExportPageAnswer })
  @ApiProblems('invalid', 'not_found')
  async list(
    @Scope() scope: OrgScope,
    @Query() { state, cursor, limit = 50 }: ListExportsDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExportPageAnswer> {
    const states = state === undefined ? [] : [state];
    const page = await this.queries.execute(new ListExportsQuery(scope, { states, cursor, limit }));
    if (page.nextCursor !== null) {
      const next = new URLSearchParams({
        ...(state && { state }),
        cursor: page.nextCursor,
        limit: String(limit),
      });
      void reply.header('link', `</${ROUTE.replace(':orgId', scope.orgId)}?${next.toString()}>; rel="next"`);
    }
    return pageAnswerOf(page);
  }

  @Get(':jobId')
  @Requires('exports:read')
  @ApiOperation({ summary: 'An export job' })
  @ApiParam({ name: 'jobId', format: 'uuid' })
  @ApiResponse({ status: 200, type: ExportAnswer })
  @ApiProblems('invalid', 'not_found')
  async get(@Scope() scope: OrgScope, @Param('jobId', UuidPipe) jobId: string): Promise<ExportAnswer> {
    return answerOf(await this.queries.execute(new GetExportQuery(scope, jobId)));
  }

  @Get(':jobId/download')
  @HttpCode(302)
  @Requires('exports:read')
  @ApiOperation({
    summary: 'The file of a finished export',
    description: 'Redirects to a URL that works for minutes and needs no credential: do not share it.',
  })
  @ApiParam({ name: 'jobId', format: 'uuid' })
  @ApiResponse({
    status: 302,
    headers: { Location: { description: 'The file.', schema: { type: 'string' } } },
  })
  @ApiProblems('invalid', 'not_found', 'conflict', 'gone')
  async download(
    @Scope() scope: OrgScope,
    @Param('jobId', UuidPipe) jobId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const url = await this.queries.execute(new GetExportDownloadQuery(scope, jobId));
    void reply.header('location', url).header('cache-control', 'no-store');
  }

  @Get(':jobId/manifest')
  @Requires('exports:read')
  @ApiOperation({
    summary: 'The proof of a finished export',
    description: 'Control totals, checksum, freshness.',
  })
  @ApiParam({ name: 'jobId', format: 'uuid' })
  @ApiResponse({ status: 200, type: ManifestAnswer })
  @ApiProblems('invalid', 'not_found', 'conflict', 'gone')
  manifest(@Scope() scope: OrgScope, @Param('jobId', UuidPipe) jobId: string): Promise<ManifestAnswer> {
    return this.queries.execute(new GetExportManifestQuery(scope, jobId));
  }

  @Delete(':jobId')
  @Requires('exports:write')
  @ApiOperation({ summary: 'Cancel an export', description: 'Repeating it changes nothing.' })
  @ApiParam({ name: 'jobId', format: 'uuid' })
  @ApiResponse({ status: 200, type: ExportAnswer })
  @ApiProblems('invalid', 'not_found', 'conflict')
  async cancel(@Scope() scope: OrgScope, @Param('jobId', UuidPipe) jobId: string): Promise<ExportAnswer> {
    return answerOf(await this.commands.execute(new CancelExportCommand(scope, jobId)));
  }
}
