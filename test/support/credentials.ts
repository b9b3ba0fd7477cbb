import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  type KeyLike,
  SignJWT,
  UnsecuredJWT,
} from 'jose';

const ISSUER = 'https://id.example';
const AUDIENCE = 'usage';

/** An identity provider of the test's own: a key set over HTTP, and tokens right and wrong. */
export class IdentityProvider {
  private constructor(
    private readonly server: Server,
    private readonly keys: { readonly own: Pair; readonly strange: Pair },
  ) {}

  static async start(): Promise<IdentityProvider> {
    const keys = { own: await pair(), strange: await pair() };
    const published = { ...(await exportJWK(keys.own.publicKey)), kid: 'own', alg: 'RS256', use: 'sig' };
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: [published] }));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new IdentityProvider(server, keys);
  }

  /** What the service must know of it. */
  get settings(): NodeJS.ProcessEnv {
    const { port } = this.server.address() as AddressInfo;
    return { AUTH_JWKS_URL: `http://127.0.0.1:${port}/jwks`, AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: AUDIENCE };
  }

  token(roles: readonly string[], orgId: string | null, claims: JWTPayload = {}): Promise<string> {
    return this.sign({ roles, org_id: orgId, ...claims }, this.keys.own.privateKey);
  }

  /** As the service's own, but by a key that is not published. */
  strange(roles: readonly string[]): Promise<string> {
    return this.sign({ roles, org_id: null }, this.keys.strange.privateKey);
  }

  unsigned(roles: readonly string[]): string {
    return new UnsecuredJWT({ ...this.claims(), roles }).encode();
  }

  /** The public key, which everyone knows, used as a secret (CVE-2016-10555). */
  async signedByThePublicKey(roles: readonly string[]): Promise<string> {
    const secret = Buffer.from(await exportSPKI(this.keys.own.publicKey));
    return new SignJWT({ ...this.claims(), roles })
      .setProtectedHeader({ alg: 'HS256', kid: 'own' })
      .sign(secret);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  private sign(claims: JWTPayload, key: KeyLike): Promise<string> {
    return new SignJWT({ ...this.claims(), ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'own' })
      .sign(key);
  }

  private claims(): JWTPayload {
    return { sub: 'someone', iss: ISSUER, aud: AUDIENCE, exp: Math.floor(Date.now() / 1_000) + 600 };
  }
}

interface Pair {
  readonly privateKey: KeyLike;
  readonly publicKey: KeyLike;
}

function pair(): Promise<Pair> {
  return generateKeyPair('RS256', { extractable: true });
}
