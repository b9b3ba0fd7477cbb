import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import type { Role } from './permissions';

const ALGORITHM = 'ES256';
const KEY_ID = 'development';

/** Where the public half of the development key pair is, whether it has been made yet or not. */
export function developmentKeySetUrl(dataDir: string): string {
  return pathToFileURL(resolve(dataDir, 'development-jwks.json')).href;
}

export interface DevelopmentTokenClaims {
  readonly dataDir: string;
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly role: Role;
  readonly orgId: string | null;
  /** For example `8h`. */
  readonly expiresIn: string;
}

/** A token that a service outside production accepts when it has the same DATA_DIR. Makes the key pair if missing. */
export async function signDevelopmentToken(claims: DevelopmentTokenClaims): Promise<string> {
  const key = await importJWK(await privateKey(claims.dataDir), ALGORITHM);
  return new SignJWT({ roles: [claims.role], org_id: claims.orgId })
    .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID })
    .setSubject(claims.subject)
    .setIssuer(claims.issuer)
    .setAudience(claims.audience)
    .setIssuedAt()
    .setExpirationTime(claims.expiresIn)
    .sign(key);
}

async function privateKey(dataDir: string): Promise<JWK> {
  const path = join(dataDir, 'development-key.json');
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as JWK;
  const pair = await generateKeyPair(ALGORITHM, { extractable: true });
  const secret = await exportJWK(pair.privateKey);
  const open = { ...(await exportJWK(pair.publicKey)), kid: KEY_ID, alg: ALGORITHM, use: 'sig' };
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'development-jwks.json'), JSON.stringify({ keys: [open] }));
  writeFileSync(path, JSON.stringify(secret), { mode: 0o600 });
  return secret;
}
