// Runs the tests: `npm test`, `npm test -- src/ingestion`, `npm test -- unit -t 'a name'`. Words that name a tier
// choose tiers (default: all); everything else goes to Jest. The last line is `N passed, N failed`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TIERS = ['unit', 'integration', 'e2e', 'faults'];
// Ending the servers takes a second. Sockets to servers that a fault test has killed can keep Jest after that.
const MAY_LINGER_MS = 15_000;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
// A fresh clone has no Jest yet.
const { status } = spawnSync(process.execPath, [join(root, 'cli.mjs'), '--install'], {
  stdio: ['ignore', 2, 2],
});
if (status !== 0) process.exit(1);

const words = process.argv.slice(2);
const chosen = TIERS.filter((tier) => words.includes(tier));
const rest = words.filter((word) => !TIERS.includes(word));
const tiers = chosen.length > 0 ? chosen : TIERS;

const directory = mkdtempSync(join(tmpdir(), 'test-totals-'));
const totalsFile = join(directory, 'totals.json');
const code = await runJest([...rest, '--selectProjects', ...tiers]);
const { passed, failed, servers, timescaleAbsence } = totals();
rmSync(directory, { recursive: true, force: true });
if (servers) {
  console.log(`\nOn ${servers}.`);
  if (timescaleAbsence) console.log(`The TimescaleDB half did not run: ${timescaleAbsence}.`);
}
if (code !== 0 && failed === 0) console.log('The test run itself failed; see above.');
if (code === 0 && passed === 0) console.log('No test ran.');
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = code === 0 && passed > 0 ? 0 : code || 1;

function runJest(args) {
  return new Promise((resolve) => {
    const jest = spawn(process.execPath, [join(root, 'node_modules/jest/bin/jest.js'), ...args], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, TEST_TOTALS_FILE: totalsFile },
    });
    let lingers = false;
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => jest.kill(signal));
    const watch = setInterval(() => {
      if (!existsSync(totalsFile)) return;
      clearInterval(watch);
      setTimeout(() => {
        console.log(
          'All results are in, but a connection that a test left open keeps Jest: it is ended now.',
        );
        lingers = true;
        jest.kill('SIGKILL');
      }, MAY_LINGER_MS).unref();
    }, 1_000);
    jest.on('exit', (exitCode) => {
      clearInterval(watch);
      // Whoever lingers has told all results before: they decide.
      resolve(lingers ? Number(totals().failed > 0) : (exitCode ?? 1));
    });
  });
}

/** What the reporter left; nothing when Jest did not come to its end. */
function totals() {
  if (!existsSync(totalsFile)) return { passed: 0, failed: 0 };
  return JSON.parse(readFileSync(totalsFile, 'utf8'));
}
