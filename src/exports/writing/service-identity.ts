import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface ServiceIdentity {
  readonly name: string;
  readonly version: string;
}

let known: ServiceIdentity | undefined;

/** Name and version of this release, from package.json. */
export function serviceIdentity(): ServiceIdentity {
  if (!known) {
    const text = readFileSync(join(__dirname, '..', '..', '..', 'package.json'), 'utf8');
    const { name, version } = JSON.parse(text) as ServiceIdentity;
    known = { name, version };
  }
  return known;
}
