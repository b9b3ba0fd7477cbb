import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import { Requires } from '../access/requires.decorator';
import type { Tabular } from './answer-format.interceptor';
import { orgsExample, reliabilityExample, usageExample } from './answer-examples';
import { ApiAnswer } from './api-answer.decorator';
import { OrgsAnswer } from './list-answer.dto';
import { ListParameters } from './list-parameters.dto';
import { GetPlatformReliabilityQuery } from './queries/get-platform-reliability.query';
import { GetPlatformUsageQuery } from './queries/get-platform-usage.query';
import { ListOrgsQuery } from './queries/list-orgs.query';
import { ReliabilityAnswer } from './reliability-answer';
import { PlatformReliabilityParameters, PlatformUsageParameters } from './series-parameters.dto';
import { UsageAnswer } from './usage-answer';

@ApiTags('platform')
@Controller('analytics/v1')
export class PlatformUsageController {
  constructor(private readonly queries: QueryBus) {}

  @Get('usage')
  @Requires('platform:read')
  @ApiAnswer({
    summary: 'Requests, tokens and cost of all organisations over time',
    description: 'As for one organisation, with groupBy=org; single events are never read.',
    answer: UsageAnswer,
    example: usageExample.json,
    csvExample: usageExample.csv,
  })
  getUsage(@Query() parameters: PlatformUsageParameters): Promise<Tabular<UsageAnswer>> {
    return this.queries.execute(new GetPlatformUsageQuery(parameters));
  }

  @Get('reliability')
  @Requires('platform:read')
  @ApiAnswer({
    summary: 'Error rate, outcomes and latency of all organisations over time',
    description: 'As for one organisation, with groupBy=org; single events are never read.',
    answer: ReliabilityAnswer,
    example: reliabilityExample.json,
    csvExample: reliabilityExample.csv,
  })
  getReliability(@Query() parameters: PlatformReliabilityParameters): Promise<Tabular<ReliabilityAnswer>> {
    return this.queries.execute(new GetPlatformReliabilityQuery(parameters));
  }

  @Get('orgs')
  @Requires('platform:read')
  @ApiAnswer({
    summary: 'The organisations that used anything',
    description: 'For the variables of dashboards. By orgId, in pages.',
    answer: OrgsAnswer,
    example: orgsExample.json,
    csvExample: orgsExample.csv,
  })
  listOrgs(@Query() parameters: ListParameters): Promise<Tabular<OrgsAnswer>> {
    return this.queries.execute(new ListOrgsQuery(parameters));
  }
}
