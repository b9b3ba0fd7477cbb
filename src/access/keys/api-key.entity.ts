import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Role } from '../permissions';

/** An API key that was made by API. `ApiKeyRows` writes it, nobody else. */
@Entity('api_keys')
export class ApiKey {
  @PrimaryColumn('text', { name: 'key_id' })
  readonly keyId!: string;

  /** `null`: the platform's own. */
  @Column('uuid', { name: 'org_id', nullable: true })
  readonly orgId!: string | null;

  @Column('text')
  readonly name!: string;

  @Column('text', { array: true })
  readonly roles!: Role[];

  @Column('bytea', { name: 'secret_sha256' })
  readonly secretSha256!: Buffer;

  @Column('text', { name: 'created_by' })
  readonly createdBy!: string;

  @Column('timestamptz', { name: 'created_at' })
  readonly createdAt!: Date;

  @Column('timestamptz', { name: 'expires_at', nullable: true })
  readonly expiresAt!: Date | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  readonly revokedAt!: Date | null;

  @Column('text', { name: 'revoked_by', nullable: true })
  readonly revokedBy!: string | null;

  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  readonly lastUsedAt!: Date | null;

  /** Id of the key that this one takes the place of. */
  @Column('text', { nullable: true })
  readonly replaces!: string | null;
}
