// Writes docs/openapi.json, the contract of the API, from the code.
import 'reflect-metadata';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApplication } from '../application';
import { loadConfig } from '../platform/config/config';
import { openApiText } from '../platform/http/openapi';
import { runCommand } from './command-line';

async function main(): Promise<void> {
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
