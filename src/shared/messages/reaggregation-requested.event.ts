/** A re-aggregation is committed and waits for a worker. Whoever misses it finds the job in the database. */
export class ReaggregationRequested {
  constructor(readonly jobId: string) {}
}
