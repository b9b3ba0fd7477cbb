import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_SKEW_MS = 15 * 60_000;

interface Claim {
  readonly scope: string;
  readonly date: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payloadHash: string;
  readonly expiresInSeconds: number | null;
}

/**
 * What is wrong with the signature of a request (AWS Signature Version 4, in headers or in the query), or `undefined`.
 * Written from the description of the algorithm, not with the SDK that signs.
 */
export function signatureFault(request: SignedRequest, credentials: S3Credentials): string | undefined {
  const url = new URL(request.url, 'http://s3');
  const claim = url.searchParams.has('X-Amz-Signature') ? claimOfQuery(url) : claimOfHeaders(request);
  if (typeof claim === 'string') return claim;
  const [accessKeyId, day = '', region = '', service = '', terminator] = claim.scope.split('/');
  if (accessKeyId !== credentials.accessKeyId) return 'The access key is not known.';
  if (service !== 's3' || terminator !== 'aws4_request') return 'The scope is not one of S3.';
  if (!claim.date.startsWith(day)) return 'The scope is of another day.';
  const age = Date.now() - timeOf(claim.date);
  if (claim.expiresInSeconds === null && Math.abs(age) > MAX_SKEW_MS) return 'The time differs too much.';
  if (claim.expiresInSeconds !== null && age > claim.expiresInSeconds * 1_000) return 'Request has expired.';
  if (!claim.signedHeaders.includes('host')) return 'The host is not signed.';
  const unsigned = Object.keys(request.headers).filter(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  if (unsigned.length > 0) return `Not signed: ${unsigned.join(', ')}.`;
  if (/^[0-9a-f]{64}$/.test(claim.payloadHash) && claim.payloadHash !== sha256(request.body)) {
    return 'The body is not the one that was signed.';
  }
  const text = [
    ALGORITHM,
    claim.date,
    [day, region, service, terminator].join('/'),
    sha256(canonicalRequest(request, url, claim)),
  ].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<Buffer | string>(
    (secret, part) => hmac(secret, part),
    `AWS4${credentials.secretAccessKey}`,
  );
  const [expected, given] = [hmac(key, text), Buffer.from(claim.signature, 'hex')];
  const right = expected.length === given.length && timingSafeEqual(expected, given);
  return right ? undefined : 'The signature does not match.';
}

function claimOfHeaders({ headers }: SignedRequest): Claim | string {
  const [, credential, signedHeaders, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/.exec(
      String(headers['authorization']),
    ) ?? [];
  if (credential === undefined || signedHeaders === undefined || signature === undefined)
    return 'Not signed.';
  return {
    scope: credential,
    date: String(headers['x-amz-date']),
    signedHeaders: signedHeaders.split(';'),
    signature,
    payloadHash: String(headers['x-amz-content-sha256']),
    expiresInSeconds: null,
  };
}

function claimOfQuery({ searchParams }: URL): Claim | string {
  const value = (name: string): string => searchParams.get(`X-Amz-${name}`) ?? '';
  if (value('Algorithm') !== ALGORITHM) return 'Signed by another algorithm.';
  return {
    scope: value('Credential'),
    date: value('Date'),
    signedHeaders: value('SignedHeaders').split(';'),
    signature: value('Signature'),
    payloadHash: value('Content-Sha256') || 'UNSIGNED-PAYLOAD',
    expiresInSeconds: Number(value('Expires')),
  };
}

function canonicalRequest({ method, headers }: SignedRequest, url: URL, claim: Claim): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const lines = claim.signedHeaders.map(
    (name) =>
      `${name}:${String(headers[name] ?? '')
        .trim()
        .replace(/ +/g, ' ')}\n`,
  );
  const path = url.pathname.split('/').map((part) => encode(decodeURIComponent(part))).join('/'); // prettier-ignore
  return [method, path, query, lines.join(''), claim.signedHeaders.join(';'), claim.payloadHash].join('\n');
}

/** RFC 3986: everything but the unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function timeOf(date: string): number {
  return Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
