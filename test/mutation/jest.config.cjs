const { projects } = require('../../jest.config.cjs');

const unit = projects.find(({ displayName }) => displayName === 'unit');

/** The unit tests of the code that is changed, and no others: they run once for each change. */
module.exports = {
  ...unit,
  testMatch: [
    '<rootDir>/src/access/**/*.spec.ts',
    '<rootDir>/src/aggregation/page-cursor.spec.ts',
    '<rootDir>/src/ingestion/{batch-commits,batch-outcomes,stream-session,stream-session-ends}.spec.ts',
    '<rootDir>/src/shared/list-cursor.spec.ts',
  ],
};
