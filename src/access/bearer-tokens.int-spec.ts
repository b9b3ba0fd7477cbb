import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWTPayload, type KeyLike, SignJWT, UnsecuredJWT } from 'jose';
import { loadConfig } from '../platform/config/config';
import { BearerTokens } from './bearer-tokens';
import { signDevelopmentToken } from './development-keys';

const ORG = 'abcdef11-1111-4111-8111-111111111111';
const CLAIMS = {
  sub: 'someone',
  iss: 'https://id.example',
  aud: 'usage',
  roles: ['org-viewer'],
  org_id: ORG,
};
const now = (): number => Math.floor(Date.now() / 1_000);

interface Key {
  readonly privateKey: KeyLike;
  readonly published: object;
}

async function makeKey(alg: string, kid: string): Promise<Key> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { privateKey: pair.privateKey, published: { ...(await exportJWK(pair.publicKey)), kid, alg } };
}

describe('bearer tokens by a key server', () => {
  let server: Server;
  let rsa: Key;
  let curve: Key;
  let answer: { status: number; body: string };
  let fetches = 0;

  beforeAll(async () => {
    [rsa, curve] = await Promise.all([makeKey('RS256', 'rsa'), makeKey('ES256', 'curve')]);
    server = createServer((_, response) => {
      fetches += 1;
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });
  afterAll(() => server.close());
  beforeEach(() => publish(rsa, curve));

  function publish(...keys: Key[]): void {
    answer = { status: 200, body: JSON.stringify({ keys: keys.map(({ published }) => published) }) };
  }

  function verifier(settings: NodeJS.ProcessEnv = {}): BearerTokens {
    const { port } = server.address() as AddressInfo;
    return new BearerTokens(
      loadConfig({
        NODE_ENV: 'production',
        AUTH_JWKS_URL: `http://127.0.0.1:${port}/jwks`,
        AUTH_ISSUER: CLAIMS.iss,
        AUTH_AUDIENCE: CLAIMS.aud,
        ...settings,
      }),
    );
  }

  function sign(claims: JWTPayload = {}, key = rsa, alg = 'RS256', kid = 'rsa'): Promise<string> {
    return new SignJWT({ ...CLAIMS, exp: now() + 60, ...claims })
      .setProtectedHeader({ alg, kid })
      .sign(key.privateKey);
  }

  it('tell who is calling', async () => {
    expect(await verifier().verify(await sign())).toEqual({
      id: 'someone',
      kind: 'jwt',
      roles: ['org-viewer'],
      orgId: ORG,
    });
  });

  it('may be signed by any published key of an accepted algorithm', async () => {
    const principal = await verifier().verify(await sign({}, curve, 'ES256', 'curve'));
    expect(principal.id).toBe('someone');
    const only = verifier({ AUTH_ALGORITHMS: 'RS256' });
    await expect(only.verify(await sign({}, curve, 'ES256', 'curve'))).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
  });

  it('leave out roles that are not known, and write organisations in lower case', async () => {
    const token = await sign({ roles: ['root', 'producer', 7], org_id: ORG.toUpperCase() });
    expect(await verifier().verify(token)).toMatchObject({ roles: ['producer'], orgId: ORG });
  });

  it.each<[string, JWTPayload]>([
    ['that expired', { exp: now() - 31 }],
    ['without an expiry', { exp: undefined }],
    ['that is not valid yet', { nbf: now() + 60 }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['without an issuer', { iss: undefined }],
    ['for another audience', { aud: 'elsewhere' }],
    ['without a subject', { sub: undefined }],
    ['without roles', { roles: undefined }],
    ['whose roles are no list', { roles: 'platform-admin' }],
    ['whose organisation is no text', { org_id: 7 }],
    ['whose organisation is no UUID', { org_id: 'acme' }],
    ['whose subject has no end', { sub: 'x'.repeat(257) }],
    ['whose subject cannot be written down', { sub: 'some\0one' }],
  ])('refuse one %s', async (_, claims) => {
    await expect(verifier().verify(await sign(claims))).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it('allow half a minute between clocks', async () => {
    expect((await verifier().verify(await sign({ exp: now() - 20 }))).id).toBe('someone');
  });

  it('refuse an unsigned one, one signed by the public key as a secret, and what is none', async () => {
    const unsigned = new UnsecuredJWT({ ...CLAIMS, exp: now() + 60 }).encode();
    const confused = await new SignJWT({ ...CLAIMS, exp: now() + 60 })
      .setProtectedHeader({ alg: 'HS256', kid: 'rsa' })
      .sign(Buffer.from(JSON.stringify(rsa.published)));
    const [header, payload, signature] = (await sign()).split('.');
    const swapped = `${header}.${Buffer.from(JSON.stringify({ ...CLAIMS, exp: now() + 60, roles: ['platform-admin'] })).toString('base64url')}.${signature}`;
    for (const token of [unsigned, confused, swapped, `${header}.${payload}.`, 'a.b.c', '']) {
      await expect(verifier().verify(token)).rejects.toMatchObject({
        kind: 'unauthenticated',
        message: 'The bearer token is not valid here, or it has expired.',
      });
    }
  }); // prettier-ignore

  it('refuse one of a key that is not published, without asking the key server each time', async () => {
    const tokens = verifier();
    const stranger = await sign({}, await makeKey('RS256', 'stranger'), 'RS256', 'stranger');
    await tokens.verify(await sign());
    const before = fetches;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await expect(tokens.verify(stranger)).rejects.toMatchObject({ kind: 'unauthenticated' });
    }
    expect(fetches - before).toBeLessThanOrEqual(1);
  });

  it('are not trusted longer than AUTH_JWKS_MAX_AGE after their key is withdrawn', async () => {
    const tokens = verifier({ AUTH_JWKS_MAX_AGE: '200ms' });
    const token = await sign();
    await tokens.verify(token);
    publish(curve);
    await new Promise((resolve) => setTimeout(resolve, 250));
    await expect(tokens.verify(token)).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it.each([
    ['fails', { status: 500, body: '' }],
    ['answers no JSON', { status: 200, body: '<html>' }],
    ['answers no key set', { status: 200, body: '{}' }],
  ])('cannot be checked while the key server %s, which is not the caller’s fault', async (_, given) => {
    answer = given;
    await expect(verifier().verify(await sign())).rejects.toMatchObject({
      kind: 'unavailable',
      retryAfterSeconds: 5,
    });
  });

  it('cannot be checked while the key server is away', async () => {
    const tokens = verifier({ AUTH_JWKS_URL: 'http://127.0.0.1:1/jwks' });
    await expect(tokens.verify(await sign())).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('log why one was refused, though the caller is not told', async () => {
    const refusal = await verifier().verify(await sign({ exp: 1 })).catch((error: Error) => error);
    expect(refusal).toMatchObject({ cause: { code: 'ERR_JWT_EXPIRED' } });
  }); // prettier-ignore
});

describe('development tokens', () => {
  let dataDir: string;
  const claims = { issuer: 'usage-analytics', audience: 'usage-analytics', subject: 'dev', expiresIn: '1h' };

  beforeEach(() => (dataDir = mkdtempSync(join(tmpdir(), 'development-keys-'))));
  afterEach(() => rmSync(dataDir, { recursive: true }));

  it('are accepted outside production, also by a service that started before there was a key', async () => {
    const tokens = new BearerTokens(loadConfig({ NODE_ENV: 'development', DATA_DIR: dataDir }));
    await expect(tokens.verify('a.b.c')).rejects.toMatchObject({ kind: 'unauthenticated' });
    const token = await signDevelopmentToken({ ...claims, dataDir, role: 'org-viewer', orgId: ORG });
    expect(await tokens.verify(token)).toEqual({ id: 'dev', kind: 'jwt', roles: ['org-viewer'], orgId: ORG });
  });

  it('are refused in production', async () => {
    const key = { id: 'seed', sha256: 'a'.repeat(64), orgId: null, roles: ['producer'] };
    const env = { NODE_ENV: 'production', API_KEYS: JSON.stringify([key]), DATA_DIR: dataDir };
    const token = await signDevelopmentToken({ ...claims, dataDir, role: 'platform-admin', orgId: null });
    await expect(new BearerTokens(loadConfig(env)).verify(token)).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
  });

  it('have one key, whoever makes it', async () => {
    const tokens = new BearerTokens(loadConfig({ NODE_ENV: 'test', DATA_DIR: dataDir }));
    const made = await Promise.all(
      Array.from({ length: 5 }, () =>
        signDevelopmentToken({ ...claims, dataDir, role: 'producer', orgId: null }),
      ),
    );
    for (const token of made) expect((await tokens.verify(token)).roles).toEqual(['producer']);
  });
});
