import { Controller, Get } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope } from '../access/principal';
import { Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { BudgetAnswer } from './budget.dto';
import { GetBudgetQuery } from './queries/get-budget.query';

@ApiTags('usage')
@Controller('analytics/v1/orgs/:orgId')
export class BudgetsController {
  constructor(private readonly queries: QueryBus) {}

  @Get('budget')
  @Requires('usage:read')
  @ApiOperation({
    summary: 'How the spend of an organisation stands against its budgets',
    description:
      'Spent, forecast and the instant at which the amount is used up, for the month and the day that run.',
  })
  @ApiParam({ name: 'orgId', schema: { type: 'string', format: 'uuid' } })
  @ApiOkResponse({ type: BudgetAnswer })
  @ApiProblems('invalid', 'not_found', 'unanswerable')
  getBudget(@Scope() scope: OrgScope): Promise<BudgetAnswer> {
    return this.queries.execute(new GetBudgetQuery(scope));
  }
}
