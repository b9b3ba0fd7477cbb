const { default: TestRunner } = require('jest-runner');

/** Jest's own runner, one file at a time. */
module.exports = class SerialRunner extends TestRunner {
  isSerial = true;
};
