import { Controller, Get, Param } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope } from '../access/principal';
import { Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { UuidPipe } from '../platform/http/uuid.pipe';
import { GetReceiptQuery } from './queries/get-receipt.query';
import { Receipt } from './receipt.dto';

@ApiTags('trust and repair')
@Controller('analytics/v1/orgs/:orgId/events')
export class ReceiptController {
  constructor(private readonly queries: QueryBus) {}

  @Get(':eventId')
  @Requires('usage:read')
  @ApiOperation({
    summary: 'What became of one event',
    description: 'As long as single events are kept, and for ever where it was quarantined.',
  })
  @ApiParam({ name: 'orgId', format: 'uuid' })
  @ApiParam({ name: 'eventId', format: 'uuid' })
  @ApiOkResponse({ type: Receipt })
  @ApiProblems('invalid', 'not_found')
  get(@Scope() scope: OrgScope, @Param('eventId', UuidPipe) eventId: string): Promise<Receipt> {
    return this.queries.execute(new GetReceiptQuery(scope, eventId));
  }
}
