import { readFileSync } from 'node:fs';
import { contradictions } from './setting-rules';
import { SETTINGS, type SettingValues } from './settings';

/** The configuration of this process: frozen, whole and consistent. Durations in milliseconds, sizes in bytes. */
// The declaration merges with the class so that every setting is a typed property of it.
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface Config extends SettingValues {}
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class Config {
  constructor(values: SettingValues) {
    Object.assign(this, values);
    Object.freeze(this);
  }
}

/** All mistakes of the environment in one message, a line each: names and what is allowed, never what was given. */
export class ConfigError extends Error {
  constructor(readonly mistakes: readonly string[]) {
    super(`The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`); // prettier-ignore
    this.name = 'ConfigError';
  }
}

/** Reads every setting. Throws `ConfigError` with all mistakes at once. Empty text counts as not set. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, { name, type, default: fallback, ...options }] of Object.entries(SETTINGS)) {
    const before = mistakes.length;
    const given = readSetting(env, name, 'secret' in options, mistakes) ?? fallback;
    if (mistakes.length > before) continue;
    const value: unknown = given === null ? null : type.parse(given);
    if (value === undefined) mistakes.push(`${name} must be ${type.allowed}.`);
    values[key] = value;
  }
  mistakes.push(...contradictions(values));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return new Config(values as unknown as SettingValues);
}

/** One secret alone, as NAME or in the file that NAME_FILE names. Throws `ConfigError` for both, or an unreadable file. */
export function secretOf(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const mistakes: string[] = [];
  const given = readSetting(env, name, true, mistakes);
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return given;
}

function readSetting(
  env: NodeJS.ProcessEnv,
  name: string,
  fileAllowed: boolean,
  mistakes: string[],
): string | undefined {
  const given = env[name]?.trim() || undefined;
  const path = fileAllowed ? env[`${name}_FILE`]?.trim() : undefined;
  if (!path) return given;
  if (given !== undefined) mistakes.push(`${name} and ${name}_FILE must not both be set.`);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    mistakes.push(`${name}_FILE must be the path of a readable file.`);
    return undefined;
  }
}
