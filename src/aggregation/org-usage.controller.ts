import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope } from '../access/principal';
import { Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import type { Tabular } from './answer-format.interceptor';
import { reliabilityExample, usageExample } from './answer-examples';
import { ApiAnswer } from './api-answer.decorator';
import { GetReliabilityQuery } from './queries/get-reliability.query';
import { GetUsageQuery } from './queries/get-usage.query';
import { ReliabilityAnswer } from './reliability-answer';
import { ReliabilityParameters, UsageParameters } from './series-parameters.dto';
import { UsageAnswer } from './usage-answer';

@ApiTags('usage and reliability')
@ApiParam({ name: 'orgId', format: 'uuid' })
@ApiProblems('not_found')
@Controller('analytics/v1/orgs/:orgId')
export class OrgUsageController {
  constructor(private readonly queries: QueryBus) {}

  @Get('usage')
  @Requires('usage:read')
  @ApiAnswer({
    summary: 'Requests, tokens and cost of an organisation over time',
    description: 'One flat row per bucket and group. The window is snapped outward to whole buckets in the time zone.', // prettier-ignore
    answer: UsageAnswer,
    example: usageExample.json,
    csvExample: usageExample.csv,
  })
  getUsage(@Scope() scope: OrgScope, @Query() parameters: UsageParameters): Promise<Tabular<UsageAnswer>> {
    return this.queries.execute(new GetUsageQuery(scope, parameters));
  }

  @Get('reliability')
  @Requires('usage:read')
  @ApiAnswer({
    summary: 'Error rate, outcomes and latency of an organisation over time',
    description: 'One flat row per bucket and group. Percentiles by client or status, and of less than an hour, are computed from single events: within their retention and up to RAW_WINDOW_LIMIT.', // prettier-ignore
    answer: ReliabilityAnswer,
    example: reliabilityExample.json,
    csvExample: reliabilityExample.csv,
  })
  getReliability(
    @Scope() scope: OrgScope,
    @Query() parameters: ReliabilityParameters,
  ): Promise<Tabular<ReliabilityAnswer>> {
    // prettier-ignore
    return this.queries.execute(new GetReliabilityQuery(scope, parameters));
  }
}
