/** Rollups were materialised for `[start, end)`. Published after the commit, in the process that did it. */
export class RollupsRefreshed {
  constructor(
    readonly start: Date,
    readonly end: Date,
    /** `null` when the refresh covered all organisations. */
    readonly orgIds: readonly string[] | null,
    readonly seconds: number,
  ) {}
}
