import { randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { eventually } from '../../../test/support/eventually';
import { SSE_KMS, SSE_S3, startTestS3, type TestS3 } from '../../../test/support/s3-server';
import { type ArtifactKey, artifactKey, jobFolder } from './artifact-key';
import { ArtifactStoreError } from './artifact-store';

const MIB = 1_048_576;
const options = { contentType: 'text/csv', signal: new AbortController().signal };

describe('the S3 artifact store', () => {
  let s3: TestS3;
  const place = () => ({ orgId: randomUUID(), jobId: randomUUID(), attempt: 1 });
  const keyOf = (): ArtifactKey => artifactKey(place(), 'usage.csv');

  beforeAll(async () => {
    s3 = await startTestS3();
  });
  afterAll(() => s3.stop());
  beforeEach(() => {
    s3.proxy.heal();
    s3.proxy.encryption = SSE_S3;
    s3.proxy.seen.length = 0;
    s3.proxy.complaints.length = 0;
  });

  /** Whoever has the link reads this; the proxy has checked the signature of the link. */
  async function download(store: ReturnType<TestS3['store']>, key: ArtifactKey): Promise<Buffer | number> {
    const answer = await fetch(await store.linkTo(key, { contentType: 'text/csv', ttl: 60_000 }));
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : answer.status;
  }

  function chunksOf(content: Buffer, size = 65_536): Readable {
    return Readable.from(
      (function* () {
        for (let start = 0; start < content.length; start += size)
          yield content.subarray(start, start + size);
      })(),
      { objectMode: false },
    );
  }

  it.each([
    ['small', 1_000],
    ['of several parts', 17 * MIB + 5],
  ])('keeps a file %s exactly, signed and encrypted', async (_, bytes) => {
    const store = s3.store();
    const key = keyOf();
    const content = randomBytes(bytes);
    await store.put(key, chunksOf(content), options);
    expect(await store.sizeOf(key)).toBe(bytes);
    const kept = await download(store, key);
    expect(content.equals(kept as Buffer)).toBe(true);
    expect(s3.proxy.complaints).toEqual([]);
    expect(s3.proxy.uploads.size).toBe(0);
  });

  it('asks for the key of KMS that it is given', async () => {
    s3.proxy.encryption = SSE_KMS;
    const kmsKeyId = SSE_KMS['x-amz-server-side-encryption-aws-kms-key-id'];
    const store = s3.store({ encryption: 'aws:kms', kmsKeyId });
    await store.put(keyOf(), chunksOf(randomBytes(9 * MIB)), options);
    await store.put(keyOf(), chunksOf(randomBytes(9)), options);
    expect(s3.proxy.complaints).toEqual([]);
  });

  it('is refused by a server that expects an encryption that it does not ask for', async () => {
    const store = s3.store({ encryption: 'none' });
    await expect(store.put(keyOf(), chunksOf(randomBytes(9)), options)).rejects.toThrow(
      'InvalidRequest, 400',
    );
    expect(s3.proxy.complaints).toHaveLength(1);
  });

  it('is refused by a server that does not know its secret', async () => {
    const store = s3.store({ region: 'eu-central-1' });
    Reflect.set(s3.proxy, 'credentials', { accessKeyId: 'S3RVER', secretAccessKey: 'another' });
    try {
      await expect(store.put(keyOf(), chunksOf(randomBytes(9)), options)).rejects.toThrow(
        'SignatureDoesNotMatch',
      );
    } finally {
      Reflect.set(s3.proxy, 'credentials', { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' });
    }
  });

  it('sends no newer checksums to a store that does not know them', async () => {
    await s3.store({ checksum: 'when_required' }).put(keyOf(), chunksOf(randomBytes(9 * MIB)), options);
    const headers = s3.proxy.seen.flatMap((request) => Object.keys(request.headers));
    expect(headers.filter((name) => /checksum|sdk-checksum/.test(name))).toEqual([]);
    await s3.store().put(keyOf(), chunksOf(randomBytes(9 * MIB)), options);
    const newer = s3.proxy.seen.flatMap((request) => Object.keys(request.headers));
    expect(newer).toContain('x-amz-checksum-crc32');
  });

  it.each([
    ['answers 503 to every part', 'slow-down', 'UploadPart', 20 * MIB],
    ['answers 503 to a small file', 'slow-down', 'PutObject', 1_000],
    ['resets the connection in the middle of a part', 'reset', 'UploadPart', 20 * MIB],
    ['falls silent', 'silence', 'UploadPart', 20 * MIB],
    ['denies the upload', 'denied', 'CreateMultipartUpload', 20 * MIB],
    ['completes with an error in a 200', 'error-in-200', 'CompleteMultipartUpload', 20 * MIB],
  ] as const)('keeps nothing and says so when the server %s', async (_, fault, operation, bytes) => {
    s3.proxy.inject(fault, operation);
    const store = s3.store(fault === 'silence' ? { timeout: 500 } : {});
    const key = keyOf();
    await expect(store.put(key, chunksOf(randomBytes(bytes)), options)).rejects.toBeInstanceOf(
      ArtifactStoreError,
    );
    expect(await download(store, key)).toBe(404);
    s3.proxy.heal();
    expect(await store.sizeOf(key)).toBeNull();
    expect([...s3.proxy.uploads.values()].filter(({ aborted }) => !aborted)).toEqual([]);
  });

  it.each([
    ['answers 503', 'slow-down'],
    ['resets the connection', 'reset'],
  ] as const)('keeps the whole file when the server %s once', async (_, fault) => {
    s3.proxy.inject(fault, 'UploadPart', 1);
    const store = s3.store();
    const key = keyOf();
    const content = randomBytes(20 * MIB);
    await store.put(key, chunksOf(content), options);
    expect(content.equals((await download(store, key)) as Buffer)).toBe(true);
  });

  it('keeps nothing when the server is down, and works again when it is back', async () => {
    const store = s3.store();
    const key = keyOf();
    await s3.proxy.stop();
    await expect(store.put(key, chunksOf(randomBytes(10)), options)).rejects.toBeInstanceOf(
      ArtifactStoreError,
    );
    await s3.proxy.start();
    await store.put(key, chunksOf(randomBytes(10)), options);
    expect(await store.sizeOf(key)).toBe(10);
  });

  it('passes on the failure of what it was to store, and keeps nothing', async () => {
    const store = s3.store();
    const key = keyOf();
    const failing = Readable.from(
      (function* () {
        for (let part = 0; part < 300; part += 1) yield randomBytes(65_536);
        throw new Error('the database is gone');
      })(),
      { objectMode: false },
    );
    await expect(store.put(key, failing, options)).rejects.toThrow('the database is gone');
    expect(await store.sizeOf(key)).toBeNull();
    expect([...s3.proxy.uploads.values()].filter(({ aborted }) => !aborted)).toEqual([]);
  });

  it('ends at once when it is told to', async () => {
    const store = s3.store();
    const key = keyOf();
    const controller = new AbortController();
    const endless = Readable.from(
      (function* () {
        for (;;) yield randomBytes(65_536);
      })(),
      { objectMode: false },
    );
    const stored = store.put(key, endless, { contentType: 'text/csv', signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await expect(stored).rejects.toThrow('abort');
    endless.destroy();
    expect(await store.sizeOf(key)).toBeNull();
  });

  it('deletes all of a job and nothing of another', async () => {
    const store = s3.store();
    const job = place();
    const other = artifactKey({ ...place(), orgId: job.orgId }, 'usage.csv');
    for (const attempt of [1, 2, 3]) {
      await store.put(artifactKey({ ...job, attempt }, 'usage.csv'), chunksOf(randomBytes(10)), options);
      await store.put(artifactKey({ ...job, attempt }, 'manifest.json'), chunksOf(randomBytes(10)), options);
    }
    await store.put(other, chunksOf(randomBytes(10)), options);
    await store.deleteFolder(jobFolder(job));
    await store.deleteFolder(jobFolder(job));
    for (const attempt of [1, 2, 3]) {
      expect(await store.sizeOf(artifactKey({ ...job, attempt }, 'usage.csv'))).toBeNull();
      expect(await store.sizeOf(artifactKey({ ...job, attempt }, 'manifest.json'))).toBeNull();
    }
    expect(await store.sizeOf(other)).toBe(10);
  });

  it('ends uploads that nobody finishes, and only old ones', async () => {
    const store = s3.store();
    const day = 86_400_000;
    const upload = (ageMs: number) => ({
      key: keyOf(),
      initiated: new Date(Date.now() - ageMs),
      aborted: false,
    });
    s3.proxy.uploads.set('old', upload(2 * day));
    s3.proxy.uploads.set('young', upload(1_000));
    expect(await store.abortUnfinishedBefore(new Date(Date.now() - day))).toBe(1);
    expect(s3.proxy.uploads.get('old')?.aborted).toBe(true);
    expect(s3.proxy.uploads.get('young')?.aborted).toBe(false);
    s3.proxy.uploads.clear();
  });

  it('makes links that end', async () => {
    const store = s3.store();
    const key = keyOf();
    await store.put(key, chunksOf(Buffer.from('x')), options);
    const [link, ended] = await Promise.all(
      [60_000, 1_000].map((ttl) => store.linkTo(key, { contentType: 'text/csv', ttl })),
    );
    await eventually(async () => expect((await fetch(ended!)).status).toBe(403));
    const fresh = await fetch(link!);
    expect(fresh.headers.get('content-disposition')).toBe('attachment; filename="usage.csv"');
    expect(await fresh.text()).toBe('x');
    expect((await fetch(link!.replace('usage.csv', 'other.csv'))).status).toBe(403);
  });
});
