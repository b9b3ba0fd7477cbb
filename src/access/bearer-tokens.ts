import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  jwtVerify,
  type JWTVerifyGetKey,
} from 'jose';
import { Config } from '../platform/config/config';
import { PRINCIPAL_ROLES } from '../platform/config/settings';
import { AppError } from '../shared/errors';
import { developmentKeySetUrl } from './development-keys';
import type { Role } from './permissions';
import type { Principal } from './principal';

const CLOCK_TOLERANCE_SECONDS = 30;
/** A token with an unknown key id asks the key server again, but not more often than this. */
const COOL_DOWN_MS = 30_000;

/** Verifies JSON Web Tokens (RFC 7519) by a key set; algorithms, issuer, audience and expiry are required. */
@Injectable()
export class BearerTokens {
  private readonly keys: JWTVerifyGetKey | undefined;

  constructor(private readonly config: Config) {
    const url =
      config.authJwksUrl ?? (config.nodeEnv === 'production' ? null : developmentKeySetUrl(config.dataDir));
    this.keys = url === null ? undefined : keySet(new URL(url), config.authJwksMaxAge);
  }

  /** Throws `unauthenticated` for every token that does not prove who is calling. */
  async verify(token: string): Promise<Principal> {
    if (!this.keys) throw invalidToken();
    const { payload } = await jwtVerify(token, this.keys, {
      algorithms: [...this.config.authAlgorithms],
      issuer: this.config.authIssuer,
      audience: this.config.authAudience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'sub'],
    }).catch(refuse);
    const { sub, org_id: orgId, roles } = payload;
    if (typeof sub !== 'string' || !Array.isArray(roles)) throw invalidToken();
    if (orgId !== undefined && orgId !== null && typeof orgId !== 'string') throw invalidToken();
    return {
      id: sub,
      kind: 'jwt',
      roles: roles.filter((role): role is Role => PRINCIPAL_ROLES.includes(role as Role)),
      orgId: orgId?.toLowerCase() ?? null,
    };
  }
}

function keySet(url: URL, maxAge: number): JWTVerifyGetKey {
  if (url.protocol !== 'file:') {
    return createRemoteJWKSet(url, {
      cacheMaxAge: maxAge,
      cooldownDuration: COOL_DOWN_MS,
      timeoutDuration: 5_000,
    });
  }
  // Read at each use: it is a development file, and a key made after the start must count.
  return async (header, token) => {
    const keys = JSON.parse(await readFile(fileURLToPath(url), 'utf8')) as JSONWebKeySet;
    return createLocalJWKSet(keys)(header, token);
  };
}

function refuse(error: unknown): never {
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) {
    throw new AppError('unavailable', 'The key server that verifies tokens cannot be reached; try again.', {
      retryAfterSeconds: 5,
      cause: error,
    });
  }
  throw invalidToken();
}

/** The same for every flaw: the caller learns nothing about why. */
function invalidToken(): AppError {
  return new AppError('unauthenticated', 'The bearer token is not valid here, or it has expired.');
}
