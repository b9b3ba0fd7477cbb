import { randomUUID } from 'node:crypto';
import disk from 'node:fs/promises';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { AppError } from '../../shared/errors';
import { artifactKey, type ArtifactKey, jobFolder } from './artifact-key';
import { ArtifactStoreError } from './artifact-store';
import { LocalArtifactStore } from './local.artifact-store';

const ROUTE = '/analytics/v1/artifacts';

describe('the local artifact store', () => {
  let directory: string;
  let now: number;
  const signal = new AbortController().signal;
  const options = { contentType: 'text/csv', signal };
  const place = () => ({ orgId: randomUUID(), jobId: randomUUID(), attempt: 1 });
  const storeOf = (secret: string | null = null) =>
    new LocalArtifactStore({ directory, secret, route: ROUTE }, { now: () => new Date(now) });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'artifacts-'));
    now = Date.parse('2026-11-08T06:00:00Z');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function filesOf(): Promise<string[]> {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  function linkOf(url: string): { expires: number; signature: string } {
    const { searchParams } = new URL(url, 'http://service');
    return { expires: Number(searchParams.get('expires')), signature: searchParams.get('signature') ?? '' };
  }

  async function read(store: LocalArtifactStore, key: ArtifactKey, url: string): Promise<string> {
    return text((await store.openLink(key, linkOf(url))).content);
  }

  it('keeps a file and gives it to whoever has its link', async () => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    await store.put(key, Readable.from(['one,', 'two'].map((part) => Buffer.from(part))), options);
    expect(await store.sizeOf(key)).toBe(7);
    const url = await store.linkTo(key, { contentType: 'text/csv', ttl: 60_000 });
    expect(url.startsWith(`${ROUTE}/${key}?`)).toBe(true);
    expect(await read(store, key, url)).toBe('one,two');
  });

  it('shows nothing of a file until all of it is there', async () => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    const content = new Readable({ read: () => undefined });
    const stored = store.put(key, content, options);
    content.push('half');
    await new Promise((resume) => setTimeout(resume, 50));
    expect(await store.sizeOf(key)).toBeNull();
    content.push(null);
    await stored;
    expect(await store.sizeOf(key)).toBe(4);
  });

  it('keeps nothing of content that fails, and passes its failure on', async () => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    const content = new Readable({ read: () => undefined });
    content.push('half');
    setTimeout(() => content.destroy(new Error('the database is gone')), 20);
    await expect(store.put(key, content, options)).rejects.toThrow('the database is gone');
    expect(await filesOf()).toEqual([]);
  });

  it('says that the disk is at fault when it is', async () => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    await mkdir(dirname(dirname(join(directory, key))), { recursive: true });
    await writeFile(dirname(join(directory, key)), 'a file where the folder should be');
    const stored = store.put(key, Readable.from([Buffer.from('x')]), options);
    await expect(stored).rejects.toBeInstanceOf(ArtifactStoreError);
  });

  it.each([
    [
      'another key',
      (link: { expires: number; signature: string }) => ({ key: artifactKey(place(), 'usage.csv'), link }),
    ],
    [
      'a later end',
      (link: { expires: number; signature: string }) => ({ link: { ...link, expires: link.expires + 1 } }),
    ],
    [
      'another signature',
      (link: { expires: number; signature: string }) => ({ link: { ...link, signature: 'AAAA' } }),
    ],
    [
      'no signature',
      (link: { expires: number; signature: string }) => ({ link: { ...link, signature: '' } }),
    ],
  ])('answers a link with %s like one to a file that does not exist', async (_, change) => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    await store.put(key, Readable.from([Buffer.from('x')]), options);
    const changed: { key?: ArtifactKey; link: { expires: number; signature: string } } = change(
      linkOf(await store.linkTo(key, { contentType: 'text/csv', ttl: 60_000 })),
    );
    const missing = store.openLink(artifactKey(place(), 'usage.csv'), { expires: 0, signature: '' });
    const refusal = await missing.catch((error: unknown) => error as AppError);
    await expect(store.openLink(changed.key ?? key, changed.link)).rejects.toEqual(refusal);
    expect((refusal as AppError).kind).toBe('not_found');
  });

  it('ends links', async () => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    await store.put(key, Readable.from([Buffer.from('x')]), options);
    const url = await store.linkTo(key, { contentType: 'text/csv', ttl: 60_000 });
    now += 60_000;
    await expect(read(store, key, url)).rejects.toMatchObject({ kind: 'gone' });
  });

  it('keeps its key over restarts, and makes one only', async () => {
    const [first, second] = [storeOf(), storeOf()];
    const key = artifactKey(place(), 'usage.csv');
    await first.put(key, Readable.from([Buffer.from('x')]), options);
    const links = await Promise.all(
      [first, second].map((store) => store.linkTo(key, { contentType: 'text/csv', ttl: 60_000 })),
    );
    expect(links[0]).toBe(links[1]);
    expect(await read(storeOf(), key, links[0] ?? '')).toBe('x');
    await expect(
      read(storeOf('another secret of at least 32 characters'), key, links[0] ?? ''),
    ).rejects.toThrow();
  });

  it('makes its key whole or not at all', async () => {
    const store = storeOf();
    const key = artifactKey(place(), 'usage.csv');
    await store.put(key, Readable.from([Buffer.from('x')]), options);
    const full = jest.spyOn(disk, 'writeFile').mockImplementationOnce(async (path: unknown) => {
      await (await disk.open(path as string, 'wx')).close();
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    });
    await expect(store.linkTo(key, { contentType: 'text/csv', ttl: 60_000 })).rejects.toThrow('no space');
    full.mockRestore();
    const url = await storeOf().linkTo(key, { contentType: 'text/csv', ttl: 60_000 });
    expect(await read(store, key, url)).toBe('x');
    expect((await filesOf()).sort()).toEqual(['signing-key', 'usage.csv']);
  });

  it('deletes all of a job and nothing of another', async () => {
    const store = storeOf();
    const [job, other] = [place(), place()];
    for (const each of [job, { ...job, attempt: 2 }, other]) {
      await store.put(artifactKey(each, 'usage.csv'), Readable.from([Buffer.from('x')]), options);
    }
    await store.deleteFolder(jobFolder(job));
    await store.deleteFolder(jobFolder(job));
    expect(await store.sizeOf(artifactKey(job, 'usage.csv'))).toBeNull();
    expect(await store.sizeOf(artifactKey({ ...job, attempt: 2 }, 'usage.csv'))).toBeNull();
    expect(await store.sizeOf(artifactKey(other, 'usage.csv'))).toBe(1);
  });

  it('removes what a killed process left half written, and only what is old', async () => {
    const store = storeOf();
    const folder = join(directory, jobFolder(place()), '1');
    await mkdir(folder, { recursive: true });
    for (const name of ['old.csv.aa.partial', 'young.csv.bb.partial', 'old.csv'])
      await writeFile(join(folder, name), 'x');
    const longAgo = new Date(now - 86_400_000);
    await utimes(join(folder, 'old.csv.aa.partial'), longAgo, longAgo);
    await utimes(join(folder, 'old.csv'), longAgo, longAgo);
    expect(await store.abortUnfinishedBefore(new Date(now - 3_600_000))).toBe(1);
    expect((await filesOf()).sort()).toEqual(['old.csv', 'young.csv.bb.partial']);
  });

  it('has nothing to remove where nothing was written', async () => {
    await rm(directory, { recursive: true });
    expect(await storeOf().abortUnfinishedBefore(new Date())).toBe(0);
  });
});
