// Prints a bearer token for development.
import { parseArgs } from 'node:util';
import { ROLE_PERMISSIONS, type Role } from '../access/permissions';
import { SETTINGS } from '../platform/config/settings';
import { oneOf, runCommand } from './command-line';
import { developmentToken } from './development-token';

const ROLES = Object.keys(ROLE_PERMISSIONS) as Role[];
const USAGE = `Usage: npm run token [-- options]

  --role ROLE       ${ROLES.join(', ')} (platform-admin)
  --org UUID        organisation of the token; none for the platform's own
  --expires SPAN    for example 30m, 8h, 7d (8h)
  --help            this text

A service that runs outside production, with the same DATA_DIR and without AUTH_JWKS_URL, accepts it.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      role: { type: 'string', default: 'platform-admin' },
      org: { type: 'string' },
      expires: { type: 'string', default: '8h' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const role = oneOf('--role', values.role, ROLES);
  if (values.org !== undefined && !/^[0-9a-f-]{36}$/i.test(values.org))
    throw new Error('--org must be a UUID.');
  if (!/^\d+(m|h|d)$/.test(values.expires))
    throw new Error('--expires must be a span such as 30m, 8h or 7d.');
  const dataDir = process.env['DATA_DIR'] ?? SETTINGS.dataDir.default;
  console.log(
    await developmentToken({ dataDir, role, orgId: values.org ?? null, expiresIn: values.expires }),
  );
}

runCommand(main);
