import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessGuard } from './access.guard';
import { AuditController } from './audit/audit.controller';
import { AuditTrail } from './audit/audit-trail';
import { ListAuditHandler } from './audit/queries/list-audit.query';
import { BearerTokens } from './bearer-tokens';
import { AdminApiKeysController } from './keys/admin-api-keys.controller';
import { ApiKey } from './keys/api-key.entity';
import { ApiKeyRows } from './keys/api-key-rows.repository';
import { ApiKeys } from './keys/api-keys';
import { CreateApiKeyHandler } from './keys/commands/create-api-key.command';
import { RevokeApiKeyHandler } from './keys/commands/revoke-api-key.command';
import { RotateApiKeyHandler } from './keys/commands/rotate-api-key.command';
import { OrgApiKeysController } from './keys/org-api-keys.controller';
import { ListApiKeysHandler } from './keys/queries/list-api-keys.query';
import { RequestLimit } from './limits/request-limit';

/** Who is calling, what they may do, how much of it, and the record of all that. */
@Module({
  imports: [TypeOrmModule.forFeature([ApiKey])],
  controllers: [OrgApiKeysController, AdminApiKeysController, AuditController],
  providers: [
    BearerTokens,
    ApiKeyRows,
    ApiKeys,
    RequestLimit,
    AuditTrail,
    CreateApiKeyHandler,
    RotateApiKeyHandler,
    RevokeApiKeyHandler,
    ListApiKeysHandler,
    ListAuditHandler,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
})
export class AccessModule {}
