import { isIP } from 'node:net';
import { validateCronExpression } from 'cron';
import { DAY_MS, TimeZone } from '../../shared/time-zone';

/** How the text of one setting is read. `allowed` completes the sentence "NAME must be …". */
export interface SettingType<Value> {
  readonly allowed: string;
  /** `undefined` when the text is not allowed. */
  parse(text: string): Value | undefined;
}

const DURATION_UNITS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
};
const BYTE_UNITS: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** Milliseconds. */
export const duration: SettingType<number> = {
  allowed: 'a duration such as 200ms, 30s, 5m, 48h or 7d, above zero',
  parse: (text) => scaled(text, DURATION_UNITS),
};

/** Milliseconds that something waits: timers of Node.js and timeouts of PostgreSQL end at 2^31 - 1. */
export const timeout: SettingType<number> = {
  allowed: 'a duration from 1ms to 24d such as 200ms, 30s or 5m',
  parse: (text) => atMost(24 * DAY_MS, scaled(text, DURATION_UNITS)),
};

/** Milliseconds that data is kept. Less than a day is a slip of the unit: it would delete nearly everything. */
export const retention: SettingType<number> = {
  allowed: 'a duration of at least 1d such as 30d',
  parse: (text) => atLeast(DAY_MS, scaled(text, DURATION_UNITS)),
};

/** Bytes. */
export const byteSize: SettingType<number> = {
  allowed: 'a size such as 512KiB, 64MB or 1GiB, above zero',
  parse: (text) => scaled(text, BYTE_UNITS),
};

export const text: SettingType<string> = { allowed: 'a text', parse: (value) => value };

export const flag: SettingType<boolean> = {
  allowed: 'true or false',
  parse: (value) => (value === 'true' ? true : value === 'false' ? false : undefined),
};

export function wholeNumber(min: number, max: number): SettingType<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (value) => {
      const number = Number(value);
      return /^\d+$/.test(value) && number >= min && number <= max ? number : undefined;
    },
  };
}

export function oneOf<const Choice extends string>(choices: readonly Choice[]): SettingType<Choice> {
  return {
    allowed: `one of ${choices.join(', ')}`,
    parse: (value) => choices.find((choice) => choice === value),
  };
}

export function listOf<Value>(item: SettingType<Value>, what: string): SettingType<readonly Value[]> {
  return {
    allowed: `a comma-separated list of ${what}`,
    parse: (value) => {
      const items = value.split(',').map((part) => item.parse(part.trim()));
      return items.includes(undefined) ? undefined : (items as Value[]);
    },
  };
}

export function matching(pattern: RegExp, allowed: string): SettingType<string> {
  return { allowed, parse: (value) => (pattern.test(value) ? value : undefined) };
}

export function url(...protocols: string[]): SettingType<string> {
  return {
    allowed: `a URL beginning with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    parse: (value) =>
      URL.canParse(value) && protocols.includes(new URL(value).protocol) ? value : undefined,
  };
}

/** An address with the length of its prefix, of IPv4 or IPv6. */
export const network: SettingType<string> = {
  allowed: 'a network such as 10.1.0.0/16',
  parse: (value) => {
    const [address = '', prefix = '', ...rest] = value.split('/');
    const family = isIP(address);
    const fits = /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
    return family !== 0 && rest.length === 0 && fits ? value : undefined;
  },
};

/** Of five fields, or six with seconds. */
export const cronExpression: SettingType<string> = {
  allowed: 'off or a cron expression of five fields such as 0 6 8 * *',
  parse: (value) => (value === 'off' || validateCronExpression(value).valid ? value : undefined),
};

export const timeZone: SettingType<string> = {
  allowed: 'a time zone of the IANA database such as Europe/Berlin',
  parse: (value) => (TimeZone.named(value) ? value : undefined),
};

export function json<Value>(
  allowed: string,
  accept: (parsed: unknown) => Value | undefined,
): SettingType<Value> {
  return {
    allowed,
    parse: (value) => {
      try {
        return accept(JSON.parse(value));
      } catch {
        return undefined;
      }
    },
  };
}

function scaled(text: string, units: Record<string, number>): number | undefined {
  const [, digits, unit = ''] = /^(\d+)\s*([A-Za-z]+)$/.exec(text) ?? [];
  const value = Number(digits) * (units[unit] ?? NaN);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function atLeast(least: number, value: number | undefined): number | undefined {
  return value === undefined || value < least ? undefined : value;
}

function atMost(most: number, value: number | undefined): number | undefined {
  return value === undefined || value > most ? undefined : value;
}
