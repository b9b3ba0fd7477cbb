/** An export job is committed and waits for a worker. Whoever misses it finds the job in the database. */
export class ExportRequested {
  constructor(readonly jobId: string) {}
}
