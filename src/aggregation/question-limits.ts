import { Injectable } from '@nestjs/common';
import { Config } from '../platform/config/config';
import { ApiPool } from '../platform/database/pools';
import { sql } from '../platform/database/sql';
import type { AnswerLimits } from './choose-relation';

const readKeptFrom = sql('aggregation/read-kept-from');

/** Retention records what it drops in an earlier run than it drops it, so this may be a few seconds old. */
const READ_EVERY_MS = 5_000;

/** What questions are held against: the settings, and what retention has dropped while they were others. */
@Injectable()
export class QuestionLimits {
  private known:
    { readonly keptFrom: Promise<AnswerLimits['keptFrom']>; readonly readAt: number } | undefined;

  constructor(
    private readonly config: Config,
    private readonly pool: ApiPool,
  ) {}

  async read(): Promise<AnswerLimits & { readonly maxPoints: number }> {
    const { rawRetention, retention15min, retentionHourly, retentionDaily, rawWindowLimit, maxPoints } =
      this.config;
    return {
      rawRetention,
      retention15min,
      retentionHourly,
      retentionDaily,
      rawWindowLimit,
      maxPoints,
      keptFrom: await this.keptFrom(),
    };
  }

  private async keptFrom(): Promise<AnswerLimits['keptFrom']> {
    const readAt = performance.now();
    if (!this.known || readAt - this.known.readAt > READ_EVERY_MS)
      this.known = { keptFrom: this.readKeptFrom(), readAt };
    const { known } = this;
    try {
      return await known.keptFrom;
    } catch (error) {
      if (this.known === known) this.known = undefined;
      throw error;
    }
  }

  private async readKeptFrom(): Promise<AnswerLimits['keptFrom']> {
    const { rows } = await this.pool.query<AnswerLimits['keptFrom']>({ ...readKeptFrom, values: [] });
    const [row] = rows;
    if (!row) throw new Error('The table rollup_state has lost its row.');
    return row;
  }
}
