import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import { freePort } from '../../src/cli/servers/free-port';
import { S3ArtifactStore, type S3ArtifactStoreOptions } from '../../src/exports/artifacts/s3.artifact-store';
import { S3Proxy } from './s3-proxy';

export const S3_BUCKET = 'exports-of-the-test';
/** The only account that s3rver knows. */
export const S3_CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

export interface TestS3 {
  readonly proxy: S3Proxy;
  /** A store with these options on the bucket; it gives up quickly. */
  store(options?: Partial<S3ArtifactStoreOptions>): S3ArtifactStore;
  /** Of every object that is visible, past the proxy. */
  keys(): Promise<string[]>;
  stop(): Promise<void>;
}

/** An S3 server over HTTP with an empty bucket. Stop it in `afterAll`. */
export async function startTestS3(encryption: Record<string, string> = SSE_S3): Promise<TestS3> {
  const directory = await mkdtemp(join(tmpdir(), 's3-'));
  const port = await freePort();
  const server = new S3rver({
    port,
    address: '127.0.0.1',
    silent: true,
    directory,
    configureBuckets: [{ name: S3_BUCKET, configs: [] }],
  });
  await server.run();
  const proxy = new S3Proxy({ host: '127.0.0.1', port }, S3_CREDENTIALS, encryption);
  await proxy.start();
  return {
    proxy,
    store: (options = {}) =>
      new S3ArtifactStore(
        {
          bucket: S3_BUCKET,
          region: 'eu-central-1',
          endpoint: proxy.endpoint,
          forcePathStyle: true,
          encryption: 'AES256',
          kmsKeyId: null,
          checksum: 'when_supported',
          // A slow machine takes longer than a moment to put a file together.
          timeout: 10_000,
          ...options,
        },
        { credentials: S3_CREDENTIALS },
      ),
    keys: async () => {
      const listing = await fetch(`http://127.0.0.1:${port}/${S3_BUCKET}?list-type=2&max-keys=1000`);
      return [...(await listing.text()).matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key);
    },
    stop: async () => {
      await proxy.stop();
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const SSE_S3 = { 'x-amz-server-side-encryption': 'AES256' };
export const SSE_KMS = {
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:eu-central-1:1:key/k',
  'x-amz-server-side-encryption-bucket-key-enabled': 'true',
};
