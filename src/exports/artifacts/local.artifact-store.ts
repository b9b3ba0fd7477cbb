import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../../shared/clock';
import { AppError } from '../../shared/errors';
import type { ArtifactFolder, ArtifactKey } from './artifact-key';
import { type ArtifactSignature, isSigned, signArtifact } from './artifact-signature';
import { ArtifactStore, ArtifactStoreError, type LinkOptions, type PutOptions } from './artifact-store';

const PARTIAL = '.partial';
const SECRET_BYTES = 32;

export interface LocalArtifactStoreOptions {
  /** Everything lies below it; replicas that serve the same jobs must share it. */
  readonly directory: string;
  /** Signs links. `null`: a random one, kept in the directory. */
  readonly secret: string | null;
  /** Path of the route that serves the links, without a slash at its end. */
  readonly route: string;
}

/** Artifacts on the local disk, read through links that the service signs and serves itself. */
export class LocalArtifactStore extends ArtifactStore {
  private readonly root: string;
  private secret: Promise<Buffer> | undefined;

  constructor(
    private readonly options: LocalArtifactStoreOptions,
    private readonly clock: Clock,
  ) {
    super();
    this.root = resolve(options.directory);
  }

  /** Written beside its place, flushed, and renamed: a rename is seen whole or not at all. */
  override async put(key: ArtifactKey, content: Readable, { signal }: PutOptions): Promise<void> {
    const path = this.pathOf(key);
    const partial = partialOf(path);
    try {
      const file = await toStore('write', createPartial(partial));
      try {
        for await (const chunk of content) {
          signal.throwIfAborted();
          await toStore('write', file.writeFile(chunk as Buffer));
        }
        await toStore('write', file.sync());
      } finally {
        await file.close();
      }
      signal.throwIfAborted();
      await toStore('write', rename(partial, path));
      await toStore('write', flushDirectory(dirname(path)));
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  override async sizeOf(key: ArtifactKey): Promise<number | null> {
    const found = await toStore('read', stat(this.pathOf(key)).catch(ignoreMissing(null)));
    return found?.size ?? null;
  }

  override async linkTo(key: ArtifactKey, { ttl }: LinkOptions): Promise<string> {
    const expires = Math.floor((this.clock.now().getTime() + ttl) / 1_000);
    const { signature } = signArtifact(await this.readSecret(), key, expires);
    return `${this.options.route}/${key}?expires=${expires}&signature=${signature}`;
  }

  /** What a link leads to. Throws `AppError`: `not_found` for a link that was not made here, `gone` for an old one. */
  async openLink(key: ArtifactKey, link: ArtifactSignature): Promise<{ content: Readable; bytes: number }> {
    const bytes = isSigned(await this.readSecret(), key, link) ? await this.sizeOf(key) : null;
    if (bytes === null) throw new AppError('not_found', 'There is no such file.');
    if (link.expires * 1_000 <= this.clock.now().getTime()) {
      throw new AppError(
        'gone',
        'This link is no longer valid: ask for a new one at the download of the export.',
      );
    }
    return { content: createReadStream(this.pathOf(key)), bytes };
  }

  override async deleteFolder(folder: ArtifactFolder): Promise<void> {
    await toStore('delete', rm(this.pathOf(folder), { recursive: true, force: true }));
  }

  override async abortUnfinishedBefore(instant: Date): Promise<number> {
    const names = await toStore('read', readdir(this.root, { recursive: true }).catch(ignoreMissing([])));
    let aborted = 0;
    for (const name of names.filter((each) => each.endsWith(PARTIAL))) {
      const path = join(this.root, name);
      const found = await toStore('read', stat(path).catch(ignoreMissing(null)));
      if (found === null || found.mtime >= instant) continue;
      await toStore('delete', rm(path, { force: true }));
      aborted += 1;
    }
    return aborted;
  }

  private pathOf(place: ArtifactKey | ArtifactFolder): string {
    const path = resolve(this.root, place);
    // Keys cannot say anything else; whoever changes them must not open the disk by it.
    const inside = relative(this.root, path);
    if (inside === '' || inside.startsWith(`..${sep}`) || inside === '..')
      throw new RangeError('Outside of the store.');
    return path;
  }

  private readSecret(): Promise<Buffer> {
    this.secret ??=
      this.options.secret === null ? this.keptSecret() : Promise.resolve(Buffer.from(this.options.secret));
    this.secret.catch(() => (this.secret = undefined));
    return this.secret;
  }

  /** The first process makes it; links then survive restarts. */
  private async keptSecret(): Promise<Buffer> {
    const path = join(this.root, 'signing-key');
    const secret = (await readFile(path).catch(ignoreMissing(null))) ?? (await this.makeSecret(path));
    if (secret.length !== SECRET_BYTES)
      throw new ArtifactStoreError('The signing key of the artifact store is incomplete: delete the file.');
    return secret;
  }

  /** Written beside its place and linked there: whoever does so first decides, and nobody sees half a key. */
  private async makeSecret(path: string): Promise<Buffer> {
    const partial = partialOf(path);
    await mkdir(this.root, { recursive: true });
    try {
      await writeFile(partial, randomBytes(SECRET_BYTES), { flag: 'wx', mode: 0o600, flush: true });
      await link(partial, path).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    } finally {
      await rm(partial, { force: true });
    }
    return readFile(path);
  }
}

function partialOf(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}${PARTIAL}`;
}

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function createPartial(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true });
  return open(path, 'wx', 0o640);
}

/** Failures of the disk are the store's; whatever else fails is not. */
async function toStore<Result>(action: 'read' | 'write' | 'delete', work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    throw new ArtifactStoreError(
      `The disk did not ${action} the file (${codeOf(cause) ?? 'no reason given'}).`,
      { cause },
    );
  }
}

function ignoreMissing<Instead>(instead: Instead): (error: unknown) => Instead {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return instead;
    throw error;
  };
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
}
