const node = {
  rootDir: __dirname,
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': '@swc/jest' },
  setupFilesAfterEnv: ['<rootDir>/test/support/timeout.setup.cjs'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/\\.data/', '<rootDir>/\\.stryker-tmp/'],
};

const onServers = {
  ...node,
  globalSetup: '<rootDir>/test/support/servers.global-setup.ts',
  globalTeardown: '<rootDir>/test/support/servers.global-teardown.ts',
};

const onBuiltService = { ...onServers, globalSetup: '<rootDir>/test/support/service.global-setup.ts' };

/** @type {import('jest').Config} */
module.exports = {
  reporters: ['default', '<rootDir>/test/support/progress.reporter.cjs'],
  // Two test files at a time: the servers they use want their share of the cores.
  maxWorkers: 2,
  projects: [
    {
      ...node,
      displayName: 'unit',
      testMatch: ['<rootDir>/{src,test}/**/*.spec.ts'],
      globals: { TEST_TIMEOUT_MS: 10_000 },
    },
    {
      ...onServers,
      displayName: 'integration',
      testMatch: ['<rootDir>/{src,test}/**/*.int-spec.ts'],
      globals: { TEST_TIMEOUT_MS: 60_000 },
    },
    {
      ...onBuiltService,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'],
      globals: { TEST_TIMEOUT_MS: 120_000 },
    },
    {
      ...onBuiltService,
      displayName: 'faults',
      testMatch: ['<rootDir>/test/faults/**/*.fault-spec.ts'],
      globals: { TEST_TIMEOUT_MS: 300_000 },
    },
  ],
};
