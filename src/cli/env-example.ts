// Writes .env.example from the declared settings.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { envExample } from '../platform/config/env-example';

const USAGE = `Usage: node cli.mjs env-example [--help]

Writes .env.example from src/platform/config/settings.ts; a test keeps them equal.
`;

const { values } = parseArgs({ options: { help: { type: 'boolean', default: false } } });
if (values.help) process.stdout.write(USAGE);
else writeFileSync(join(__dirname, '..', '..', '.env.example'), envExample());
