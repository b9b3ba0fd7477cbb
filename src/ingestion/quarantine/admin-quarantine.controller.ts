import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { Principal } from '../../access/principal';
import { CurrentPrincipal, Requires } from '../../access/requires.decorator';
import { ApiProblems } from '../../platform/http/api-problems.decorator';
import { UuidPipe } from '../../platform/http/uuid.pipe';
import { DismissQuarantinedEventCommand } from './commands/dismiss-quarantined-event.command';
import { ReplayQuarantinedEventCommand } from './commands/replay-quarantined-event.command';
import { DismissDto, ListQuarantineDto, QuarantinedEventDetail, QuarantinePage, ReplayDto } from './quarantine.dto'; // prettier-ignore
import { GetQuarantinedEventQuery } from './queries/get-quarantined-event.query';
import { ListQuarantineQuery } from './queries/list-quarantine.query';
import { replayRequestOf } from './replay-request';

/** The same as of an organisation, for all of them and for what names none. */
@ApiTags('trust and repair')
@Controller('analytics/v1/admin/quarantine')
export class AdminQuarantineController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Get()
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'Events that could not be stored, also those that name no organisation, newest first',
  })
  @ApiOkResponse({ type: QuarantinePage })
  @ApiProblems('invalid')
  list(@Query() parameters: ListQuarantineDto): Promise<QuarantinePage> {
    return this.queries.execute(new ListQuarantineQuery(null, parameters));
  }

  @Get(':quarantineId')
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'A quarantined event, with what arrived' })
  @ApiParam({ name: 'quarantineId', format: 'uuid' })
  @ApiOkResponse({ type: QuarantinedEventDetail })
  @ApiProblems('invalid', 'not_found')
  get(@Param('quarantineId', UuidPipe) id: string): Promise<QuarantinedEventDetail> {
    return this.queries.execute(new GetQuarantinedEventQuery(null, id));
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
    @CurrentPrincipal() principal: Principal,
    @Param('quarantineId', UuidPipe) id: string,
    @Body() body: ReplayDto,
  ): Promise<QuarantinedEventDetail> {
    return this.commands.execute(new ReplayQuarantinedEventCommand(null, principal, id, replayRequestOf(body))); // prettier-ignore
  }

  @Post(':quarantineId/dismiss')
  @HttpCode(200)
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'Say that a quarantined event need not be counted, and why' })
  @ApiParam({ name: 'quarantineId', format: 'uuid' })
  @ApiOkResponse({ type: QuarantinedEventDetail })
  @ApiProblems('invalid', 'not_found', 'conflict')
  dismiss(
    @CurrentPrincipal() principal: Principal,
    @Param('quarantineId', UuidPipe) id: string,
    @Body() { reason }: DismissDto,
  ): Promise<QuarantinedEventDetail> {
    return this.commands.execute(new DismissQuarantinedEventCommand(null, principal, id, reason));
  }
}
