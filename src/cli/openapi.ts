// Writes docs/openapi.json, the contract of the API, from the code.
import 'reflect-metadata';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createApplication } from '../application';
import { loadConfig } from '../platform/config/config';
import { openApiText } from '../platform/http/openapi';
import { runCommand } from './command-line';

const USAGE = `Usage: npm run openapi [-- --help]

Writes docs/openapi.json, the contract of the API, from the code; a test keeps them equal.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
  if (values.help) return void process.stdout.write(USAGE);
  const dataDir = mkdtempSync(join(tmpdir(), 'openapi-'));
  // Nothing connects before the application is initialised.
  const app = await createApplication(
    loadConfig({ NODE_ENV: 'test', LOG_LEVEL: 'silent', DATA_DIR: dataDir }),
  );
  writeFileSync(join(__dirname, '..', '..', 'docs', 'openapi.json'), openApiText(app));
  rmSync(dataDir, { recursive: true });
  process.exit();
}

runCommand(main);
