import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { isUniqueViolation } from '../../platform/database/postgres-errors';
import { AppError } from '../../shared/errors';
import type { OrgScope } from '../principal';
import { ApiKey } from './api-key.entity';

export type NewApiKey = Omit<ApiKey, 'revokedAt' | 'revokedBy' | 'lastUsedAt'>;

/** The rows of API keys. With a scope only those of its organisation are there; `null` is the platform's view of all. */
@Injectable()
export class ApiKeyRows {
  /** TypeORM's repository of the entity can only be had once the database is there. */
  constructor(private readonly dataSource: DataSource) {}

  async add(key: NewApiKey): Promise<ApiKey> {
    await this.manager.insert(ApiKey, key);
    return this.manager.findOneByOrFail(ApiKey, { keyId: key.keyId });
  }

  /** Adds `key`, which replaces another, and lets that one live until `until` at the latest; `conflict` the second time. */
  async replace(key: NewApiKey & { readonly replaces: string }, until: Date): Promise<ApiKey> {
    return this.manager.transaction(async (manager) => {
      await manager.insert(ApiKey, key).catch((error: unknown) => {
        if (!isUniqueViolation(error)) throw error;
        throw new AppError(
          'conflict',
          'This key has been rotated already: rotate the key that took its place.',
        );
      });
      await manager
        .createQueryBuilder()
        .update(ApiKey)
        .set({ expiresAt: () => 'least(expires_at, :until)' })
        .where('key_id = :keyId', { keyId: key.replaces, until })
        .execute();
      return manager.findOneByOrFail(ApiKey, { keyId: key.keyId });
    });
  }

  /** Throws `not_found` for a key that there is not, or not in this scope. */
  async find(scope: OrgScope | null, keyId: string): Promise<ApiKey> {
    const key = await this.lookUp(keyId);
    if (key && (scope === null || key.orgId === scope.orgId)) return key;
    throw new AppError('not_found', 'There is no such API key.');
  }

  /** Whoever presents it. */
  async lookUp(keyId: string): Promise<ApiKey | null> {
    return this.manager.findOneBy(ApiKey, { keyId });
  }

  /** Newest first, after the key with the id `after`. */
  async list(scope: OrgScope | null, after: ApiKey | null, limit: number): Promise<ApiKey[]> {
    const query = this.manager
      .createQueryBuilder(ApiKey, 'key')
      .orderBy('key.createdAt', 'DESC')
      .addOrderBy('key.keyId', 'DESC')
      .limit(limit);
    if (scope) query.andWhere('key.orgId = :orgId', { orgId: scope.orgId });
    if (after)
      query.andWhere('(key.createdAt, key.keyId) < (:createdAt, :keyId)', { createdAt: after.createdAt, keyId: after.keyId }); // prettier-ignore
    return query.getMany();
  }

  /** Revokes the key unless it is already. */
  async revoke(keyId: string, by: string, at: Date): Promise<void> {
    await this.manager
      .createQueryBuilder()
      .update(ApiKey)
      .set({ revokedAt: at, revokedBy: by })
      .where('key_id = :keyId and revoked_at is null', { keyId })
      .execute();
  }

  async noteUse(keyId: string, at: Date): Promise<void> {
    await this.manager
      .createQueryBuilder()
      .update(ApiKey)
      .set({ lastUsedAt: () => 'greatest(last_used_at, :at)' })
      .where('key_id = :keyId', { keyId, at })
      .execute();
  }

  private get manager(): EntityManager {
    if (this.dataSource.isInitialized) return this.dataSource.manager;
    throw new AppError('unavailable', 'The database is not ready yet; try again.', { retryAfterSeconds: 5 });
  }
}
