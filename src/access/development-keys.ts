import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import type { Role } from './permissions';

const ALGORITHM = 'ES256';
const KEY_ID = 'development';
const KEY_SET_FILE = 'development-jwks.json';

/** Where the public half of the development key pair is, whether it has been made yet or not. */
export function developmentKeySetUrl(dataDir: string): string {
  return pathToFileURL(resolve(dataDir, KEY_SET_FILE)).href;
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

/** Whoever creates the file first decides; the public half follows from it, so two processes cannot disagree. */
async function privateKey(dataDir: string): Promise<JWK> {
  const path = join(dataDir, 'development-key.json');
  if (!existsSync(path)) {
    const { privateKey: made } = await generateKeyPair(ALGORITHM, { extractable: true });
    mkdirSync(dataDir, { recursive: true });
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(await exportJWK(made)), { mode: 0o600 });
    linkUnlessThere(draft, path);
    unlinkSync(draft);
  }
  const key = JSON.parse(readFileSync(path, 'utf8')) as JWK;
  const { d: _secret, ...open } = key;
  const keys = [{ ...open, kid: KEY_ID, alg: ALGORITHM, use: 'sig' }];
  writeFileSync(join(dataDir, KEY_SET_FILE), JSON.stringify({ keys }));
  return key;
}

function linkUnlessThere(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
