// `node --require ./test/support/typescript.cjs FILE.ts` runs the sources as they are, without a build: for
// tests that need the service, or a part of it, as a process of its own.
const { transformFileSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformFileSync(filename, { sourceMaps: 'inline' });
  module._compile(code, filename);
};
