import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../../platform/http/api-problems.decorator';
import { Clock } from '../../shared/clock';
import { HOUR_MS } from '../../shared/time-zone';
import type { Principal } from '../principal';
import { CurrentPrincipal, Requires } from '../requires.decorator';
import { answerOf, ApiKeyAnswer, ApiKeyPageAnswer, CreateAnyApiKeyDto, expiryOf, ListApiKeysDto, MadeApiKeyAnswer, madeAnswerOf, pageAnswerOf, RotateApiKeyDto } from './api-keys.dto'; // prettier-ignore
import { CreateApiKeyCommand } from './commands/create-api-key.command';
import { RevokeApiKeyCommand } from './commands/revoke-api-key.command';
import { RotateApiKeyCommand } from './commands/rotate-api-key.command';
import { KeyIdPipe } from './key-id.pipe';
import { ListApiKeysQuery } from './queries/list-api-keys.query';

@ApiTags('access')
@Controller('analytics/v1/admin/api-keys')
export class AdminApiKeysController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly clock: Clock,
  ) {}

  @Post()
  @Header('cache-control', 'no-store')
  @Requires('keys:admin')
  @ApiOperation({ summary: 'Make an API key of the platform, or of any organisation', description: 'It cannot do more than you may yourself.' }) // prettier-ignore
  @ApiCreatedResponse({ type: MadeApiKeyAnswer })
  @ApiProblems('invalid')
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body() body: CreateAnyApiKeyDto,
  ): Promise<MadeApiKeyAnswer> {
    const now = this.clock.now();
    const { name, roles, orgId } = body;
    const command = new CreateApiKeyCommand(
      principal,
      orgId?.toLowerCase() ?? null,
      name,
      roles,
      expiryOf(body, now),
    );
    return madeAnswerOf(await this.commands.execute(command), now);
  }

  @Get()
  @Requires('keys:admin')
  @ApiOperation({ summary: 'List all API keys that were made by API, newest first, without their secrets' })
  @ApiOkResponse({ type: ApiKeyPageAnswer })
  @ApiProblems('invalid')
  async list(@Query() { cursor, limit = 50 }: ListApiKeysDto) {
    return pageAnswerOf(
      await this.queries.execute(new ListApiKeysQuery(null, cursor, limit)),
      this.clock.now(),
    );
  }

  @Post(':keyId/rotate')
  @Header('cache-control', 'no-store')
  @Requires('keys:admin')
  @ApiOperation({ summary: 'Make a key in the place of another; both work until the old one ends' })
  @ApiParam({ name: 'keyId' })
  @ApiCreatedResponse({ type: MadeApiKeyAnswer })
  @ApiProblems('invalid', 'not_found', 'conflict')
  async rotate(
    @CurrentPrincipal() principal: Principal,
    @Param('keyId', KeyIdPipe) keyId: string,
    @Body() { overlapHours = 24 }: RotateApiKeyDto,
  ): Promise<MadeApiKeyAnswer> {
    const command = new RotateApiKeyCommand(principal, null, keyId, overlapHours * HOUR_MS);
    return madeAnswerOf(await this.commands.execute(command), this.clock.now());
  }

  @Delete(':keyId')
  @HttpCode(200)
  @Requires('keys:admin')
  @ApiOperation({ summary: 'Revoke a key: refused everywhere within half a minute' })
  @ApiParam({ name: 'keyId' })
  @ApiOkResponse({ type: ApiKeyAnswer })
  @ApiProblems('invalid', 'not_found')
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @Param('keyId', KeyIdPipe) keyId: string,
  ): Promise<ApiKeyAnswer> {
    return answerOf(
      await this.commands.execute(new RevokeApiKeyCommand(principal, null, keyId)),
      this.clock.now(),
    );
  }
}
