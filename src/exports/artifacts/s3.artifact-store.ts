import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type MultipartUpload,
  paginateListObjectsV2,
  type PutObjectCommandInput,
  S3Client,
  type S3ClientConfig,
  ListMultipartUploadsCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { type ArtifactFolder, type ArtifactKey, fileNameOf } from './artifact-key';
import { ArtifactStore, ArtifactStoreError, type LinkOptions, type PutOptions } from './artifact-store';

/** 10,000 parts are the most S3 takes: files up to 84 GB. One part is in memory, and one more is being sent. */
const PART_BYTES = 8 * 1_024 * 1_024;
const ROOT = 'exports/';

export interface S3ArtifactStoreOptions {
  readonly bucket: string;
  readonly region: string;
  /** Of an S3-compatible store; `null` for Amazon's own. */
  readonly endpoint: string | null;
  readonly forcePathStyle: boolean;
  readonly encryption: 'AES256' | 'aws:kms' | 'none';
  /** `null`: the bucket's default key. */
  readonly kmsKeyId: string | null;
  /** `when_required` for stores that do not know the newer checksums. */
  readonly checksum: 'when_supported' | 'when_required';
  /** A connection that is silent for so many milliseconds is given up. */
  readonly timeout: number;
}

/** Artifacts in a bucket of S3 or of a compatible store. Credentials come from the SDK's own provider chain. */
export class S3ArtifactStore extends ArtifactStore {
  private readonly client: S3Client;

  constructor(
    private readonly options: S3ArtifactStoreOptions,
    overrides: S3ClientConfig = {},
  ) {
    super();
    this.client = new S3Client({
      region: options.region,
      ...(options.endpoint !== null && { endpoint: options.endpoint }),
      forcePathStyle: options.forcePathStyle,
      requestChecksumCalculation: options.checksum === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
      responseChecksumValidation: options.checksum === 'when_supported' ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: 5_000, socketTimeout: options.timeout },
      maxAttempts: 3,
      ...overrides,
    });
  }

  /** A multipart upload: S3 shows an object when all of its parts are there and the upload was completed. */
  override async put(
    key: ArtifactKey,
    content: Readable,
    { contentType, signal }: PutOptions,
  ): Promise<void> {
    const body = watched(content);
    const upload = new Upload({
      client: this.client,
      params: { ...this.object(key), Body: body.stream, ContentType: contentType, ...this.encryption() },
      partSize: PART_BYTES,
      // With more the others would read all of the content to its end after one of them has failed.
      queueSize: 1,
    });
    const abort = (): void => void upload.abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      await upload.done();
    } catch (error) {
      // What cannot be ended now is ended by the sweep.
      await this.abortUploads(key, undefined).catch(() => undefined);
      throw body.failure() ?? (signal.aborted ? error : storeError('did not take the file', error));
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  override async sizeOf(key: ArtifactKey): Promise<number | null> {
    try {
      const { ContentLength } = await this.client.send(new HeadObjectCommand(this.object(key)));
      return ContentLength ?? 0;
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return null;
      throw storeError('did not tell the size of the file', error);
    }
  }

  override linkTo(key: ArtifactKey, { contentType, ttl }: LinkOptions): Promise<string> {
    const command = new GetObjectCommand({
      ...this.object(key),
      ResponseContentType: contentType,
      ResponseContentDisposition: `attachment; filename="${fileNameOf(key)}"`,
    });
    return getSignedUrl(this.client, command, { expiresIn: Math.max(1, Math.floor(ttl / 1_000)) });
  }

  override async deleteFolder(folder: ArtifactFolder): Promise<void> {
    try {
      await this.abortUploads(folder, undefined);
      const pages = paginateListObjectsV2(
        { client: this.client },
        { Bucket: this.options.bucket, Prefix: folder },
      );
      for await (const { Contents = [] } of pages) {
        // One by one: the bulk request wants a checksum that compatible stores disagree about.
        for (const { Key } of Contents) {
          await this.client.send(new DeleteObjectCommand({ Bucket: this.options.bucket, Key }));
        }
      }
    } catch (error) {
      throw storeError('did not delete the files', error);
    }
  }

  override async abortUnfinishedBefore(instant: Date): Promise<number> {
    try {
      return await this.abortUploads(ROOT, instant);
    } catch (error) {
      throw storeError('did not end unfinished uploads', error);
    }
  }

  private async abortUploads(prefix: string, before: Date | undefined): Promise<number> {
    let aborted = 0;
    for await (const { Key, UploadId, Initiated } of this.unfinishedUploads(prefix)) {
      if (before && (Initiated === undefined || Initiated >= before)) continue;
      await this.client.send(new AbortMultipartUploadCommand({ Bucket: this.options.bucket, Key, UploadId }));
      aborted += 1;
    }
    return aborted;
  }

  private async *unfinishedUploads(prefix: string): AsyncGenerator<MultipartUpload> {
    let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (;;) {
      const page = await this.client.send(
        new ListMultipartUploadsCommand({ Bucket: this.options.bucket, Prefix: prefix, ...marker }),
      );
      yield* page.Uploads ?? [];
      if (!page.IsTruncated) return;
      marker = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
  }

  private object(key: ArtifactKey): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: key };
  }

  private encryption(): Pick<
    PutObjectCommandInput,
    'ServerSideEncryption' | 'SSEKMSKeyId' | 'BucketKeyEnabled'
  > {
    const { encryption, kmsKeyId } = this.options;
    if (encryption === 'none') return {};
    if (encryption === 'AES256') return { ServerSideEncryption: 'AES256' };
    return {
      ServerSideEncryption: 'aws:kms',
      ...(kmsKeyId !== null && { SSEKMSKeyId: kmsKeyId }),
      // One request to KMS for many objects.
      BucketKeyEnabled: true,
    };
  }
}

/** The same content, of which it is known whether it failed by itself: whoever stops reading a stream fails it too. */
function watched(content: Readable): { stream: Readable; failure: () => unknown } {
  let failure: unknown;
  const iterator = content[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  async function* chunks(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const next = await iterator.next().catch((error: unknown) => {
          failure = error;
          throw error;
        });
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { stream: Readable.from(chunks(), { objectMode: false }), failure: () => failure };
}

/** Names the failure, but nothing of the store: bucket and endpoint are not the caller's to know. */
function storeError(what: string, cause: unknown): ArtifactStoreError {
  const status = cause instanceof S3ServiceException ? cause.$metadata.httpStatusCode : undefined;
  const code = cause instanceof Error ? (textOf(cause, 'code') ?? cause.name) : 'Error';
  return new ArtifactStoreError(
    `The artifact store ${what} (${status === undefined ? code : `${code}, ${status}`}).`,
    {
      cause,
    },
  );
}

function textOf(error: Error, key: string): string | undefined {
  const text: unknown = Reflect.get(error, key);
  return typeof text === 'string' ? text : undefined;
}
