/** `retried` and `released` jobs will be claimed again; `superseded` means that the attempt was no longer its worker's. */
export type ExportOutcome = 'succeeded' | 'failed' | 'retried' | 'released' | 'superseded';

/** An attempt at an export has ended in this process; published after the commit. */
export class ExportFinished {
  constructor(
    readonly orgId: string,
    readonly jobId: string,
    readonly outcome: ExportOutcome,
    /** Duration of the attempt, in seconds. */
    readonly seconds: number,
    readonly rows: number,
    /** Of the file; 0 without one. */
    readonly bytes: number,
  ) {}
}
