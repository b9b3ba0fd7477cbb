// `npm run mutation`: changes the code that keeps organisations apart and counts once, a place at a time, and runs its
// unit tests against each change. A change that no test notices has survived; what survived, and why that is no fault,
// stands in docs/security.md.

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: [
    // Guard and scope: who is let in, and to which organisation.
    'src/access/access.guard.ts',
    'src/access/principal.ts',
    'src/access/keys/key-rules.ts',
    // Dedupe: what is stored once.
    'src/ingestion/batch-outcomes.ts',
    // Cursors of lists: where a page begins, and of which question.
    'src/shared/list-cursor.ts',
    'src/aggregation/page-cursor.ts',
    // Cursor of the stream: commit, then acknowledge.
    'src/ingestion/stream-session.ts',
    'src/ingestion/batch-commits.ts',
  ],
  testRunner: 'jest',
  jest: { configFile: 'test/mutation/jest.config.cjs', enableFindRelatedTests: true },
  coverageAnalysis: 'perTest',
  // Tables of constants run when the file is loaded: with each of them every test would run.
  ignoreStatic: true,
  concurrency: 2,
  timeoutMS: 15_000,
  thresholds: { high: 95, low: 85, break: 85 },
  reporters: ['clear-text', 'progress-append-only'],
  clearTextReporter: { allowColor: false, reportTests: false, reportMutants: true },
  ignorePatterns: ['dist', '.data', 'docs', 'charts', 'deploy', 'coverage'],
  tempDirName: '.stryker-tmp',
  cleanTempDir: 'always',
  disableTypeChecks: false,
};
