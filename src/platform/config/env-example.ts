import { type Setting, SETTINGS } from './settings';

const COLUMNS = 100;
const HEAD = `# Every setting of the service with its default; all are optional unless they say otherwise.
# Made from src/platform/config/settings.ts by \`node cli.mjs env-example\`.
`;

/** The text of `.env.example`: read as an environment it configures what no environment at all configures. */
export function envExample(): string {
  return [HEAD, ...Object.values<Setting<unknown>>(SETTINGS).map(example)].join('\n');
}

function example({ name, type, default: fallback, about, secret }: Setting<unknown>): string {
  const allowed = `${type.allowed.charAt(0).toUpperCase()}${type.allowed.slice(1)}.`;
  const fromFile = secret ? [`${name}_FILE may name a file that holds it instead.`] : [];
  const comment = [about, allowed, ...fromFile].flatMap(wrapped);
  const line = fallback === null ? `# ${name}=` : `${name}=${fallback}`;
  return `${[...comment, line].join('\n')}\n`;
}

function wrapped(sentence: string): string[] {
  const lines = ['#'];
  for (const word of sentence.split(' ')) {
    const line = `${lines.at(-1)} ${word}`;
    if (line.length > COLUMNS && lines.at(-1) !== '#') lines.push(`#   ${word}`);
    else lines[lines.length - 1] = line;
  }
  return lines;
}
