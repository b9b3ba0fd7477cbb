import type { Readable } from 'node:stream';
import type { ArtifactFolder, ArtifactKey } from '../../src/exports/artifacts/artifact-key';
import { ArtifactStore, type PutOptions } from '../../src/exports/artifacts/artifact-store';

/** Keeps artifacts in memory, and does what a test wants before it takes one. */
export class MemoryArtifactStore extends ArtifactStore {
  readonly objects = new Map<string, Buffer>();
  before: (key: ArtifactKey, options: PutOptions) => Promise<void> = async () => undefined;

  override async put(key: ArtifactKey, content: Readable, options: PutOptions): Promise<void> {
    await this.before(key, options);
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk as Buffer);
    options.signal.throwIfAborted();
    this.objects.set(key, Buffer.concat(chunks));
  }

  override async sizeOf(key: ArtifactKey): Promise<number | null> {
    return this.objects.get(key)?.length ?? null;
  }

  override async linkTo(key: ArtifactKey): Promise<string> {
    return `https://store.invalid/${key}`;
  }

  override async deleteFolder(folder: ArtifactFolder): Promise<void> {
    for (const key of this.objects.keys()) if (key.startsWith(folder)) this.objects.delete(key);
  }

  override async abortUnfinishedBefore(): Promise<number> {
    return 0;
  }

  /** Objects of a job, by their place in its folder. */
  of(jobId: string): string[] {
    return [...this.objects.keys()]
      .filter((key) => key.includes(jobId))
      .map((key) => key.split('/').slice(3).join('/'));
  }
}
