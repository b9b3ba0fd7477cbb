// Jest heeds no timeout that a single project names; this sets it in each test file.
jest.setTimeout(globalThis.TEST_TIMEOUT_MS);
