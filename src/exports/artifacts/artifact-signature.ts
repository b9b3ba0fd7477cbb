import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ArtifactKey } from './artifact-key';

/** What a link to an artifact carries besides its key. */
export interface ArtifactSignature {
  /** Seconds since the epoch. */
  readonly expires: number;
  readonly signature: string;
}

/** HMAC-SHA-256 over the key and the end of its validity (RFC 2104), base64url. */
export function signArtifact(secret: Buffer, key: ArtifactKey, expires: number): ArtifactSignature {
  return { expires, signature: hmac(secret, key, expires).toString('base64url') };
}

/** Compares in constant time; says nothing of the validity's end. */
export function isSigned(
  secret: Buffer,
  key: ArtifactKey,
  { expires, signature }: ArtifactSignature,
): boolean {
  const given = Buffer.from(signature, 'base64url');
  const expected = hmac(secret, key, expires);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function hmac(secret: Buffer, key: ArtifactKey, expires: number): Buffer {
  // The first line keeps this signature from being one of anything else signed with the same secret.
  return createHmac('sha256', secret).update(`artifact\n${key}\n${expires}`).digest();
}
