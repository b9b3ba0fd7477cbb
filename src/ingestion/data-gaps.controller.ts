import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { Principal } from '../access/principal';
import { CurrentPrincipal, Requires } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { UuidPipe } from '../platform/http/uuid.pipe';
import { AcknowledgeDataGapCommand } from './commands/acknowledge-data-gap.command';
import { AcknowledgeDto, DataGap, DataGapPage, ListDataGapsDto } from './data-gaps.dto';
import { ListDataGapsQuery } from './queries/list-data-gaps.query';

@ApiTags('trust and repair')
@Controller('analytics/v1/admin/data-gaps')
export class DataGapsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @Get()
  @Requires('ingestion:admin')
  @ApiOperation({ summary: 'Parts of the streams that were lost before they were read, newest first' })
  @ApiOkResponse({ type: DataGapPage })
  @ApiProblems('invalid')
  list(@Query() parameters: ListDataGapsDto): Promise<DataGapPage> {
    return this.queries.execute(new ListDataGapsQuery(parameters));
  }

  @Post(':gapId/acknowledge')
  @HttpCode(200)
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'Take note of a gap',
    description: 'Answers and certificates it reaches into stop being held open by it.',
  })
  @ApiParam({ name: 'gapId', format: 'uuid' })
  @ApiOkResponse({ type: DataGap })
  @ApiProblems('invalid', 'not_found', 'conflict')
  acknowledge(
    @CurrentPrincipal() principal: Principal,
    @Param('gapId', UuidPipe) gapId: string,
    @Body() { reason }: AcknowledgeDto,
  ): Promise<DataGap> {
    return this.commands.execute(new AcknowledgeDataGapCommand(principal, gapId, reason));
  }
}
