import { Controller, Get } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Requires } from '../access/requires.decorator';
import { IngestionAnswer } from './freshness.dto';
import { GetIngestionQuery } from './queries/get-ingestion.query';

@ApiTags('operation')
@Controller('analytics/v1/admin')
export class IngestionController {
  constructor(private readonly queries: QueryBus) {}

  @Get('ingestion')
  @Requires('ingestion:admin')
  @ApiOperation({
    summary: 'How the intake goes, partition by partition',
    description: 'Offset, backlog, rate, share of duplicates and rejects, and the last commit.',
  })
  @ApiOkResponse({ type: IngestionAnswer })
  getIngestion(): Promise<IngestionAnswer> {
    return this.queries.execute(new GetIngestionQuery());
  }
}
