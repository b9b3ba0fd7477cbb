import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { environment } from './environment';

/** Writes NAME.json: what was measured, when and on which machine. */
export function writeReport(name: string, measured: object): void {
  mkdirSync(dirname(name), { recursive: true });
  const report = { measuredAt: new Date().toISOString(), environment: environment(), ...measured };
  writeFileSync(`${name}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
}
