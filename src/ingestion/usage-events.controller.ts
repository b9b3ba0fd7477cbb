import { applyDecorators, Body, Controller, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBody, ApiConsumes, ApiExtraModels, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Principal } from '../access/principal';
import { CurrentPrincipal, Requires } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { AcceptUsageEventsCommand } from './commands/accept-usage-events.command';
import { UsageEventResult, UsageEventsAnswer } from './usage-events.dto';

const EVENT = { $ref: '#/components/schemas/UsageEvent' };
const CLOUD_EVENT = {
  type: 'object' as const,
  required: ['specversion', 'id', 'source', 'type', 'data'],
  properties: { specversion: { type: 'string' as const, enum: ['1.0'] }, data: EVENT },
};

const ENVELOPE = applyDecorators(
  ApiConsumes('application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'),
  ApiBody({
    description:
      'A bare event (also as CloudEvents in binary mode), an array of at most 5,000, or CloudEvents 1.0.',
    schema: {
      oneOf: [EVENT, CLOUD_EVENT, { type: 'array', maxItems: 5_000, items: { oneOf: [EVENT, CLOUD_EVENT] } }],
    },
  }),
);

@ApiTags('events')
@ApiExtraModels(UsageEventResult)
@Controller('analytics/v1/events')
export class UsageEventsController {
  constructor(private readonly commandBus: CommandBus) {}

  @Post()
  @HttpCode(202)
  @Requires('events:write')
  @ApiOperation({
    summary: 'Send usage events',
    description:
      'Answers when every valid event is safe. Invalid ones are rejected one by one and do not touch the others. ' +
      'After a 503 send the same events again: their identities keep them single.',
  })
  @ENVELOPE
  @ApiResponse({ status: 202, type: UsageEventsAnswer })
  @ApiProblems('invalid', 'too_large')
  accept(@CurrentPrincipal() principal: Principal, @Body() envelope: unknown): Promise<UsageEventsAnswer> {
    return this.commandBus.execute(new AcceptUsageEventsCommand(principal, envelope, false));
  }

  @Post('validate')
  @HttpCode(200)
  @Requires('events:write')
  @ApiOperation({ summary: 'Check usage events without storing them' })
  @ENVELOPE
  @ApiResponse({ status: 200, type: UsageEventsAnswer })
  @ApiProblems('invalid', 'too_large')
  validate(@CurrentPrincipal() principal: Principal, @Body() envelope: unknown): Promise<UsageEventsAnswer> {
    return this.commandBus.execute(new AcceptUsageEventsCommand(principal, envelope, true));
  }
}
