import { Controller, Get } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope } from '../access/principal';
import { Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { OrgFreshness } from './freshness.dto';
import { GetOrgFreshnessQuery } from './queries/get-org-freshness.query';

@ApiTags('freshness')
@Controller('analytics/v1/orgs/:orgId')
export class FreshnessController {
  constructor(private readonly queries: QueryBus) {}

  @Get('freshness')
  @Requires('freshness:read')
  @ApiOperation({
    summary: 'How far an organisation’s data reaches and how late it is',
    description: 'By model, with the worst status for the organisation. Cached for seconds.',
  })
  @ApiParam({ name: 'orgId', schema: { type: 'string', format: 'uuid' } })
  @ApiOkResponse({ type: OrgFreshness })
  @ApiProblems('invalid', 'not_found')
  getFreshness(@Scope() scope: OrgScope): Promise<OrgFreshness> {
    return this.queries.execute(new GetOrgFreshnessQuery(scope));
  }
}
