const { writeFileSync } = require('node:fs');
const { relative } = require('node:path');

const EVERY_MS = 30_000;

/** Says every half minute what is running, and leaves the totals for test/run.mjs. */
module.exports = class ProgressReporter {
  #running = new Map();
  #finished = 0;
  #timer;

  onRunStart(results) {
    this.#timer = setInterval(() => this.#say(results.numTotalTestSuites), EVERY_MS);
    this.#timer.unref();
  }

  onTestFileStart(test) {
    this.#running.set(test.path, Date.now());
  }

  onTestFileResult(test) {
    this.#running.delete(test.path);
    this.#finished += 1;
  }

  onRunComplete(_contexts, results) {
    clearInterval(this.#timer);
    const file = process.env.TEST_TOTALS_FILE;
    if (!file) return;
    const totals = {
      passed: results.numPassedTests,
      // A file that cannot even be loaded has no tests to count; it counts as one that failed.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites + (results.runExecError ? 1 : 0),
      servers: process.env.TEST_SERVERS_DESCRIPTION,
      timescaleAbsence: process.env.TEST_TIMESCALE_ABSENCE,
    };
    writeFileSync(file, JSON.stringify(totals));
  }

  #say(total) {
    const running = [...this.#running].map(
      ([path, since]) => `${relative(process.cwd(), path)} (${Math.round((Date.now() - since) / 1000)} s)`,
    );
    process.stderr.write(`… ${this.#finished} of ${total} files done; running ${running.join(', ')}\n`);
  }
};
