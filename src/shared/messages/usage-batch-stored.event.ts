import type { IngestResult } from './ingest-usage.command';

/** A batch is committed. Published after the commit, within the process that committed it. */
export class UsageBatchStored {
  constructor(
    readonly partition: number,
    readonly result: IngestResult,
    /** Duration of the transaction, in seconds. */
    readonly seconds: number,
    readonly orgIds: readonly string[],
  ) {}
}
