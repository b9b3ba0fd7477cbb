import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope, Principal } from '../../access/principal';
import { CurrentPrincipal, Requires, Scope } from '../../access/requires.decorator';
import { ApiProblems } from '../../platform/http/api-problems.decorator';
import { UuidPipe } from '../../platform/http/uuid.pipe';
import { DismissQuarantinedEventCommand } from './commands/dismiss-quarantined-event.command';
import { ReplayQuarantinedEventCommand } from './commands/replay-quarantined-event.command';
import { DismissDto, ListQuarantineDto, QuarantinedEventDetail, QuarantinePage, ReplayDto } from './quarantine.dto'; // prettier-ignore
import { GetQuarantinedEventQuery } from './queries/get-quarantined-event.query';
import { ListQuarantineQuery } from './queries/list-quarantine.query';
import { replayRequestOf } from './replay-request';

@ApiTags('trust and repair')
@ApiParam({ name: 'orgId', format: 'uuid' })
@Controller('analytics/v1/orgs/:orgId/quarantine')
export class OrgQuarantineController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Get()
  @Requires('usage:read')
  @ApiOperation({ summary: 'Events of an organisation that could not be stored, newest first' })
  @ApiOkResponse({ type: QuarantinePage })
  @ApiProblems('invalid', 'not_found')
  list(@Scope() scope: OrgScope, @Query() parameters: ListQuarantineDto): Promise<QuarantinePage> {
    return this.queries.execute(new ListQuarantineQuery(scope, parameters));
  }

  @Get(':quarantineId')
  @Requires('usage:read')
  @ApiOperation({ summary: 'A quarantined event, with what arrived' })
  @ApiParam({ name: 'quarantineId', format: 'uuid' })
  @ApiOkResponse({ type: QuarantinedEventDetail })
  @ApiProblems('invalid', 'not_found')
  get(
    @Scope() scope: OrgScope,
    @Param('quarantineId', UuidPipe) id: string,
  ): Promise<QuarantinedEventDetail> {
    return this.queries.execute(new GetQuarantinedEventQuery(scope, id));
  }

  @Post(':quarantineId/replay')
  @HttpCode(200)
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'Store a quarantined event after all, as it arrived or corrected',
    description:
      'It is validated and known again like any other event; one that is still not valid stays as it is.',
  })
  @ApiParam({ name: 'quarantineId', format: 'uuid' })
  @ApiOkResponse({ type: QuarantinedEventDetail })
  @ApiProblems('invalid', 'not_found', 'conflict', 'gone', 'unanswerable')
  replay(
    @Scope() scope: OrgScope,
    @CurrentPrincipal() principal: Principal,
    @Param('quarantineId', UuidPipe) id: string,
    @Body() body: ReplayDto,
  ): Promise<QuarantinedEventDetail> {
    return this.commands.execute(new ReplayQuarantinedEventCommand(scope, principal, id, replayRequestOf(body))); // prettier-ignore
  }

  @Post(':quarantineId/dismiss')
  @HttpCode(200)
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'Say that a quarantined event need not be counted, and why' })
  @ApiParam({ name: 'quarantineId', format: 'uuid' })
  @ApiOkResponse({ type: QuarantinedEventDetail })
  @ApiProblems('invalid', 'not_found', 'conflict')
  dismiss(
    @Scope() scope: OrgScope,
    @CurrentPrincipal() principal: Principal,
    @Param('quarantineId', UuidPipe) id: string,
    @Body() { reason }: DismissDto,
  ): Promise<QuarantinedEventDetail> {
    return this.commands.execute(new DismissQuarantinedEventCommand(scope, principal, id, reason));
  }
}
