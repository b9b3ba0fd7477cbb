import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../../platform/http/api-problems.decorator';
import { Requires } from '../requires.decorator';
import { AuditPage, ListAuditDto } from './audit.dto';
import { ListAuditQuery } from './queries/list-audit.query';

@ApiTags('access')
@Controller('analytics/v1/admin/audit')
export class AuditController {
  constructor(private readonly queries: QueryBus) {}

  @Get()
  @Requires('audit:read')
  @ApiOperation({
    summary: 'Who was let in where, and who was not, newest first',
    description:
      'Decisions on exports, administration, keys and on requests across organisations. `npm run audit:verify` shows ' +
      'that nothing of it was changed.',
  })
  @ApiOkResponse({ type: AuditPage })
  @ApiProblems('invalid')
  list(@Query() parameters: ListAuditDto): Promise<AuditPage> {
    return this.queries.execute(new ListAuditQuery(parameters));
  }
}
