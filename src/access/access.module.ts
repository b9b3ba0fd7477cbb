import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './access.guard';
import { ApiKeys } from './api-keys';
import { BearerTokens } from './bearer-tokens';

@Module({
  providers: [BearerTokens, ApiKeys, { provide: APP_GUARD, useClass: AccessGuard }],
})
export class AccessModule {}
