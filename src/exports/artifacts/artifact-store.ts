import type { Readable } from 'node:stream';
import type { ArtifactFolder, ArtifactKey } from './artifact-key';

export interface PutOptions {
  readonly contentType: string;
  /** Ends the writing; nothing becomes visible. */
  readonly signal: AbortSignal;
}

export interface LinkOptions {
  readonly contentType: string;
  /** How long the link works, in milliseconds. */
  readonly ttl: number;
}

/** Keeps the files that exports write: S3 and what is compatible with it, or the local disk. */
export abstract class ArtifactStore {
  /**
   * Stores all of `content` under `key`, or nothing. When it resolves, the object is durable and visible as a whole;
   * until then nobody can read any of it. Throws `ArtifactStoreError`; an error of `content` is thrown on unchanged.
   */
  abstract put(key: ArtifactKey, content: Readable, options: PutOptions): Promise<void>;

  /** Bytes of the object as the store counts them; `null` when there is none. */
  abstract sizeOf(key: ArtifactKey): Promise<number | null>;

  /** A URL by which anyone can read the object for a while. It does not say whether the object exists. */
  abstract linkTo(key: ArtifactKey, options: LinkOptions): Promise<string>;

  /** Deletes every object of the folder and ends every unfinished upload into it. Safe to repeat. */
  abstract deleteFolder(folder: ArtifactFolder): Promise<void>;

  /** Ends uploads that began before `instant` and were never finished; answers how many. */
  abstract abortUnfinishedBefore(instant: Date): Promise<number>;
}

/** The store could not do it. The message is a sentence for whoever asked for the export. */
export class ArtifactStoreError extends Error {
  override readonly name = 'ArtifactStoreError';
}
