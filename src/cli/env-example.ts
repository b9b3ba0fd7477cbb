// Writes .env.example from the declared settings.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { envExample } from '../platform/config/env-example';

writeFileSync(join(__dirname, '..', '..', '.env.example'), envExample());
