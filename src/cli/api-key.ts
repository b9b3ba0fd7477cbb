// Makes an API key for API_KEYS.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PLATFORM_ROLES, ROLE_PERMISSIONS, type Role } from '../access/permissions';
import { UUID } from '../shared/uuid';
import { oneOf, runCommand, UsageError } from './command-line';

const ROLES = Object.keys(ROLE_PERMISSIONS) as Role[];
const ID = /^[A-Za-z0-9]{4,40}$/;
const USAGE = `Usage: npm run api-key -- --id ID [options]

  --id ID           4 to 40 letters and digits; what logs and the audit show
  --role ROLE       ${ROLES.join(', ')} (platform-admin)
  --org UUID        organisation of the key; without it the key is the platform's own
  --directory DIR   writes the files key and api-keys.json there, unless they exist, and prints nothing
  --help            this text

Prints the key, which nothing can show again, and its entry for API_KEYS, which holds only the SHA-256 of its secret.
Exit code 2: the options are wrong.
`;

function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      id: { type: 'string', default: '' },
      role: { type: 'string', default: 'platform-admin' },
      org: { type: 'string' },
      directory: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { id, org, directory, help } = values;
  if (help) {
    process.stdout.write(USAGE);
    return Promise.resolve();
  }
  const role = oneOf('--role', values.role, ROLES);
  if (!ID.test(id)) throw new UsageError('--id must be 4 to 40 letters and digits.');
  if (org !== undefined && !UUID.test(org)) throw new UsageError('--org must be a UUID.');
  if ((org === undefined) !== PLATFORM_ROLES.includes(role) && role !== 'producer')
    throw new UsageError('--org must be given with the roles of an organisation, and only with them.');
  const secret = randomBytes(32).toString('base64url');
  const key = `ak_${id}_${secret}`;
  const entry = {
    id,
    sha256: createHash('sha256').update(secret).digest('hex'),
    orgId: org ?? null,
    roles: [role],
  };
  if (directory === undefined) {
    console.log(`${key}\n${JSON.stringify(entry)}`);
    return Promise.resolve();
  }
  if (existsSync(join(directory, 'key'))) return Promise.resolve();
  writeFileSync(join(directory, 'api-keys.json'), JSON.stringify([entry]), { mode: 0o644 });
  writeFileSync(join(directory, 'key'), key, { mode: 0o644 });
  return Promise.resolve();
}

runCommand(async () => main());
