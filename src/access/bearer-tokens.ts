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
import { UUID } from '../shared/uuid';
import { developmentKeySetUrl } from './development-keys';
import type { Role } from './permissions';
import type { Principal } from './principal';

const CLOCK_TOLERANCE_SECONDS = 30;
/** A token with an unknown key id asks the key server again, but not more often than this. */
const COOL_DOWN_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
/** What can be logged and kept: no control characters, no half of a character. */
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,256}$/u;
const NO_KEYS: JSONWebKeySet = { keys: [] };
/** jose: an answer that is not 200 or not JSON (generic), not a key set, or late. */
const OF_KEY_SERVER = new Set(['ERR_JOSE_GENERIC', errors.JWKSInvalid.code, errors.JWKSTimeout.code]);

/** Verifies JSON Web Tokens (RFC 7519) by a key set; algorithms, issuer, audience and expiry are required. */
@Injectable()
export class BearerTokens {
  private readonly keys: JWTVerifyGetKey | undefined;

  constructor(private readonly config: Config) {
    const { authJwksUrl, authJwksMaxAge, nodeEnv, dataDir } = config;
    if (authJwksUrl !== null) this.keys = keySet(new URL(authJwksUrl), authJwksMaxAge);
    // No development token has been made while there is no key pair, so none can be valid.
    else if (nodeEnv !== 'production') this.keys = keySetOfFile(developmentKeySetUrl(dataDir), NO_KEYS);
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
    if (typeof sub !== 'string' || !SUBJECT.test(sub) || !Array.isArray(roles)) throw invalidToken();
    if (orgId !== undefined && orgId !== null && !isUuid(orgId)) throw invalidToken();
    return {
      id: sub,
      kind: 'jwt',
      roles: roles.filter((role): role is Role => PRINCIPAL_ROLES.includes(role as Role)),
      orgId: orgId?.toLowerCase() ?? null,
    };
  }
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

function keySet(url: URL, maxAge: number): JWTVerifyGetKey {
  if (url.protocol === 'file:') return keySetOfFile(url);
  return createRemoteJWKSet(url, {
    cacheMaxAge: maxAge,
    cooldownDuration: COOL_DOWN_MS,
    timeoutDuration: FETCH_TIMEOUT_MS,
  });
}

/** Read at each use: it is for development, and a key made after the start must count. */
function keySetOfFile(url: URL | string, ifAbsent?: JSONWebKeySet): JWTVerifyGetKey {
  const path = fileURLToPath(url);
  return async (header, token) => {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && ifAbsent) return JSON.stringify(ifAbsent);
      throw error;
    });
    return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)(header, token);
  };
}

/** Flaws of the token are the caller's; anything else, and what `jose` says of a fetched key set, is the key server's. */
function refuse(error: unknown): never {
  const ofToken = error instanceof errors.JOSEError && !OF_KEY_SERVER.has(error.code);
  if (ofToken) throw invalidToken(error);
  throw new AppError('unavailable', 'The key set that verifies tokens cannot be had; try again.', {
    retryAfterSeconds: 5,
    cause: error,
  });
}

/** The same for every flaw: the caller learns nothing about why. */
function invalidToken(cause?: unknown): AppError {
  return new AppError('unauthenticated', 'The bearer token is not valid here, or it has expired.', { cause });
}
