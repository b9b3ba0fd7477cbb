import { Injectable } from '@nestjs/common';
import { WorkerPool } from '../platform/database/pools';
import { sql } from '../platform/database/sql';
import type { Verification } from './verification';
import { exportVerification, type VerificationRecord } from './verification.metrics';

const noteVerification = sql('certificates/note-verification');
const readVerification = sql('certificates/read-verification');

/** What the last verification has found, kept in the database: whichever process verifies, all tell the same. */
@Injectable()
export class LastVerification {
  constructor(private readonly pool: WorkerPool) {}

  async note({ layers, openGaps }: Verification, finishedAt: Date, seconds: number): Promise<void> {
    const counts = layers.map(({ relation, against, differing }) => ({ relation, against, differing }));
    await this.pool.query({
      ...noteVerification,
      values: [finishedAt, seconds, openGaps.length, JSON.stringify(counts)],
    });
  }

  /** Sets the metrics of this process; leaves them as they are before the first verification. */
  async export(): Promise<void> {
    const { rows } = await this.pool.query<VerificationRecord>(readVerification);
    if (rows[0]) exportVerification(rows[0]);
  }
}
