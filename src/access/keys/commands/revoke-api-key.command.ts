import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Clock } from '../../../shared/clock';
import type { OrgScope, Principal } from '../../principal';
import type { ApiKey } from '../api-key.entity';
import { ApiKeyRows } from '../api-key-rows.repository';
import { ApiKeys } from '../api-keys';

/** Ends a key: here at once, on other replicas within KNOWN_FOR_MS. Doing it again changes nothing. */
export class RevokeApiKeyCommand extends Command<ApiKey> {
  constructor(
    readonly principal: Principal,
    readonly scope: OrgScope | null,
    readonly keyId: string,
  ) {
    super();
  }
}

@CommandHandler(RevokeApiKeyCommand)
export class RevokeApiKeyHandler implements ICommandHandler<RevokeApiKeyCommand> {
  private readonly logger = new Logger(RevokeApiKeyHandler.name);

  constructor(
    private readonly rows: ApiKeyRows,
    private readonly keys: ApiKeys,
    private readonly clock: Clock,
  ) {}

  async execute({ principal, scope, keyId }: RevokeApiKeyCommand): Promise<ApiKey> {
    await this.rows.find(scope, keyId);
    await this.rows.revoke(keyId, principal.id, this.clock.now());
    this.keys.forget(keyId);
    // Outside of the database as well: restored from a backup it does not know of this, and the key works again.
    this.logger.log({ keyId }, 'Revoked an API key');
    return this.rows.find(scope, keyId);
  }
}
