import { Logger } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Clock } from '../../../shared/clock';
import { AppError } from '../../../shared/errors';
import type { OrgScope, Principal } from '../../principal';
import { ApiKeyRows } from '../api-key-rows.repository';
import { ApiKeys } from '../api-keys';
import { assertMayGive, makeKey } from '../key-rules';
import type { ShownKey } from './create-api-key.command';

/** Makes a key in the place of another; both live for `overlapMs`, then only the new one. */
export class RotateApiKeyCommand extends Command<ShownKey> {
  constructor(
    readonly maker: Principal,
    readonly scope: OrgScope | null,
    readonly keyId: string,
    readonly overlapMs: number,
  ) {
    super();
  }
}

@CommandHandler(RotateApiKeyCommand)
export class RotateApiKeyHandler implements ICommandHandler<RotateApiKeyCommand> {
  private readonly logger = new Logger(RotateApiKeyHandler.name);

  constructor(
    private readonly rows: ApiKeyRows,
    private readonly keys: ApiKeys,
    private readonly clock: Clock,
  ) {}

  async execute({ maker, scope, keyId: replaces, overlapMs }: RotateApiKeyCommand): Promise<ShownKey> {
    const old = await this.rows.find(scope, replaces);
    const now = this.clock.now();
    const { orgId, name, roles, expiresAt } = old;
    if (old.revokedAt !== null || (expiresAt !== null && expiresAt <= now))
      throw new AppError('conflict', 'This key is revoked or has expired: make a new one.');
    assertMayGive(maker, roles, orgId);
    const { keyId, text, secretSha256 } = makeKey();
    const made = {
      keyId,
      orgId,
      name,
      roles,
      secretSha256,
      createdBy: maker.id,
      createdAt: now,
      expiresAt,
      replaces,
    };
    const row = await this.rows.replace(made, new Date(now.getTime() + overlapMs));
    this.keys.forget(replaces);
    // As with a revocation: who restores a backup finds here which keys to end again.
    this.logger.log({ keyId: replaces, replacedBy: keyId }, 'Rotated an API key');
    return { row, text };
  }
}
