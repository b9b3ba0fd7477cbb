import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope } from '../access/principal';
import { Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import type { Tabular } from './answer-format.interceptor';
import { clientsExample, errorsExample, modelsExample, reliabilityExample, summaryExample, usageExample } from './answer-examples'; // prettier-ignore
import { ApiAnswer } from './api-answer.decorator';
import { ClientsAnswer, ErrorsAnswer, ModelsAnswer } from './list-answer.dto';
import { ClientsParameters, ErrorsParameters, ModelsParameters } from './list-parameters.dto';
import { GetReliabilityQuery } from './queries/get-reliability.query';
import { GetSummaryQuery } from './queries/get-summary.query';
import { GetUsageQuery } from './queries/get-usage.query';
import { ListClientsQuery } from './queries/list-clients.query';
import { ListErrorsQuery } from './queries/list-errors.query';
import { ListModelsQuery } from './queries/list-models.query';
import { ReliabilityAnswer } from './reliability-answer';
import { ReliabilityParameters, SummaryParameters, UsageParameters } from './series-parameters.dto';
import { SummaryAnswer } from './summary-answer';
import { UsageAnswer } from './usage-answer';

@ApiTags('usage and reliability')
@ApiParam({ name: 'orgId', schema: { type: 'string', format: 'uuid' } })
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

  @Get('summary')
  @Requires('usage:read')
  @ApiAnswer({
    summary: 'Usage, cost, reliability and latency of an organisation in one row, with the change',
    description: 'For stat panels and alerts. The change is against as many buckets directly before.',
    answer: SummaryAnswer,
    example: summaryExample.json,
    csvExample: summaryExample.csv,
  })
  getSummary(
    @Scope() scope: OrgScope,
    @Query() parameters: SummaryParameters,
  ): Promise<Tabular<SummaryAnswer>> {
    return this.queries.execute(new GetSummaryQuery(scope, parameters));
  }

  @Get('errors')
  @Requires('usage:read')
  @ApiAnswer({
    summary: 'The most frequent failures of an organisation',
    description: 'Error codes with how often, first and last seen; from single events, within their retention and up to RAW_WINDOW_LIMIT.', // prettier-ignore
    answer: ErrorsAnswer,
    example: errorsExample.json,
    csvExample: errorsExample.csv,
  })
  listErrors(
    @Scope() scope: OrgScope,
    @Query() parameters: ErrorsParameters,
  ): Promise<Tabular<ErrorsAnswer>> {
    return this.queries.execute(new ListErrorsQuery(scope, parameters));
  }

  @Get('models')
  @Requires('usage:read')
  @ApiAnswer({
    summary: 'The models that an organisation used',
    description: 'For the variables of dashboards. By modelId, in pages.',
    answer: ModelsAnswer,
    example: modelsExample.json,
    csvExample: modelsExample.csv,
  })
  listModels(
    @Scope() scope: OrgScope,
    @Query() parameters: ModelsParameters,
  ): Promise<Tabular<ModelsAnswer>> {
    return this.queries.execute(new ListModelsQuery(scope, parameters));
  }

  @Get('clients')
  @Requires('usage:read')
  @ApiAnswer({
    summary: 'The clients of an organisation that named themselves',
    description: 'For the variables of dashboards. By clientId, in pages.',
    answer: ClientsAnswer,
    example: clientsExample.json,
    csvExample: clientsExample.csv,
  })
  listClients(
    @Scope() scope: OrgScope,
    @Query() parameters: ClientsParameters,
  ): Promise<Tabular<ClientsAnswer>> {
    return this.queries.execute(new ListClientsQuery(scope, parameters));
  }
}
