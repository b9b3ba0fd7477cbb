// Prints a bearer token for development.
import { parseArgs } from 'node:util';
import { PLATFORM_ROLES, ROLE_PERMISSIONS, type Role } from '../access/permissions';
import { loadConfig } from '../platform/config/config';
import { UUID } from '../shared/uuid';
import { runCommand, UsageError } from './command-line';
import { developmentToken } from './development-token';

const ROLES = Object.keys(ROLE_PERMISSIONS) as Role[];
const USAGE = `Usage: npm run token [-- options]

  --role ROLE       ${ROLES.join(', ')} (platform-admin)
  --org UUID        organisation of the token; without it the token is the platform's own
  --expires SPAN    for example 30m, 8h, 7d (8h)
  --help            this text

A service that runs outside production, with the same DATA_DIR, AUTH_ISSUER and AUTH_AUDIENCE and without
AUTH_JWKS_URL, accepts it. Exit code 2: the options are wrong.
`;

async function main(): Promise<void> {
  const { help, role, org, expires } = parse();
  if (help) return void process.stdout.write(USAGE);
  const { dataDir, authIssuer, authAudience } = loadConfig({ ...process.env, NODE_ENV: 'development' });
  const claims = { dataDir, role, orgId: org ?? null, expiresIn: expires };
  console.log(await developmentToken({ ...claims, issuer: authIssuer, audience: authAudience }));
}

function parse(): { help: boolean; role: Role; org: string | undefined; expires: string } {
  const { help, role: named, org, expires } = options();
  const role = ROLES.find((each) => each === named);
  if (!role) throw new UsageError(`--role must be one of ${ROLES.join(', ')}.`);
  if (org !== undefined && !UUID.test(org)) throw new UsageError('--org must be a UUID.');
  if (org === undefined && role !== 'producer' && !PLATFORM_ROLES.includes(role)) {
    throw new UsageError(`--org must say the organisation of ${role}.`);
  }
  if (org !== undefined && PLATFORM_ROLES.includes(role)) {
    throw new UsageError(`${role} belongs to the platform: leave --org out.`);
  }
  if (!/^[1-9]\d{0,5}[mhd]$/.test(expires))
    throw new UsageError('--expires must be a span such as 30m, 8h or 7d.');
  return { help, role, org, expires };
}

function options() {
  return parseArgs({
    options: {
      role: { type: 'string', default: 'platform-admin' },
      org: { type: 'string' },
      expires: { type: 'string', default: '8h' },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

runCommand(main);
