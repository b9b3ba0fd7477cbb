import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import type { Row, FileFormat } from './file-format';
import type { RunningTotals } from './control-totals';

const CHUNK_BYTES = 65_536;

/** How far the writing is; may be looked at meanwhile. */
export interface WriteProgress {
  rows: number;
}

/** Turns rows of the database into the cells of the file; counts them and what they say. */
export class Records extends Transform {
  constructor(
    private readonly format: FileFormat,
    private readonly totals: RunningTotals,
    private readonly progress: WriteProgress,
  ) {
    super({ objectMode: true });
  }

  override _transform(row: Row, _: BufferEncoding, done: TransformCallback): void {
    this.progress.rows += 1;
    done(null, this.format.record(row, this.totals));
  }
}

/** Gathers the few bytes of single rows: compression and hashing cost as much for one row as for a thousand. */
export class Chunks extends Transform {
  private gathered = Buffer.allocUnsafe(CHUNK_BYTES);
  private length = 0;

  override _transform(bytes: Buffer, _: BufferEncoding, done: TransformCallback): void {
    if (this.length + bytes.length > CHUNK_BYTES) this.pass();
    if (bytes.length >= CHUNK_BYTES) {
      done(null, bytes);
      return;
    }
    this.length += bytes.copy(this.gathered, this.length);
    done();
  }

  override _flush(done: TransformCallback): void {
    this.pass();
    done();
  }

  private pass(): void {
    if (this.length === 0) return;
    this.push(this.gathered.subarray(0, this.length));
    this.gathered = Buffer.allocUnsafe(CHUNK_BYTES);
    this.length = 0;
  }
}

/** Passes everything on; knows its length and SHA-256 at the end. */
export class Digest extends Transform {
  bytes = 0;
  private readonly hash = createHash('sha256');

  constructor(bufferBytes: number) {
    super({ readableHighWaterMark: bufferBytes });
  }

  override _transform(bytes: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.bytes += bytes.length;
    this.hash.update(bytes);
    done(null, bytes);
  }

  /** In hexadecimal; once, after the end. */
  sha256(): string {
    return this.hash.digest('hex');
  }
}
