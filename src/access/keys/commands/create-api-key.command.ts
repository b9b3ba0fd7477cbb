import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Clock } from '../../../shared/clock';
import type { Role } from '../../permissions';
import type { Principal } from '../../principal';
import type { ApiKey } from '../api-key.entity';
import { ApiKeyRows } from '../api-key-rows.repository';
import { assertMayGive, makeKey } from '../key-rules';

/** The row of a key, and the key itself, for the only time. */
export interface ShownKey {
  readonly row: ApiKey;
  readonly text: string;
}

/** Makes a key, which cannot do more than its maker. */
export class CreateApiKeyCommand extends Command<ShownKey> {
  constructor(
    readonly maker: Principal,
    /** `null`: the platform's own. */
    readonly orgId: string | null,
    readonly name: string,
    readonly roles: readonly Role[],
    /** `null`: it does not expire. */
    readonly expiresAt: Date | null,
  ) {
    super();
  }
}

@CommandHandler(CreateApiKeyCommand)
export class CreateApiKeyHandler implements ICommandHandler<CreateApiKeyCommand> {
  constructor(
    private readonly rows: ApiKeyRows,
    private readonly clock: Clock,
  ) {}

  async execute({ maker, orgId, name, roles, expiresAt }: CreateApiKeyCommand): Promise<ShownKey> {
    assertMayGive(maker, roles, orgId);
    const { keyId, text, secretSha256 } = makeKey();
    const row = await this.rows.add({
      keyId,
      orgId,
      name,
      roles: [...new Set(roles)],
      secretSha256,
      createdBy: maker.id,
      createdAt: this.clock.now(),
      expiresAt,
      replaces: null,
    });
    return { row, text };
  }
}
