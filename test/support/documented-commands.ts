import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { outputOf } from './debian-tools';

const ROOT = join(__dirname, '..', '..');

export interface DocumentedCommand {
  readonly name: string;
  readonly file: string;
  readonly language: 'sql' | 'sh' | 'console';
  readonly text: string;
}

/** The blocks of a page that are promised to run as they stand. */
export function commandsOf(path: string): DocumentedCommand[] {
  const file = basename(path);
  return blocksOf(path, 'sql|sh|console').map(({ language, text }, index) => ({
    name: `${file} ${index + 1}`,
    file,
    language: language as DocumentedCommand['language'],
    text,
  }));
}

/** Every fenced block of a page whose info string matches. */
export function blocksOf(path: string, languages: string): { language: string; text: string }[] {
  const page = readFileSync(join(ROOT, path), 'utf8');
  return [...page.matchAll(new RegExp(`^ *\`\`\`(${languages})\n(.*?)^ *\`\`\`$`, 'gms'))].map(
    ([, language = '', text = '']) => ({ language, text }),
  );
}

/** Info strings of all fenced blocks of a page. */
export function languagesOf(path: string): string[] {
  const page = readFileSync(join(ROOT, path), 'utf8');
  const fences = [...page.matchAll(/^ *```(.*)$/gm)].map(([, language = '']) => language);
  return fences.filter((_, index) => index % 2 === 0);
}

/** Runs a block as an operator's shell would that stops at the first failure. */
export function inShell(text: string, env: Record<string, string>): Promise<{ code: number; text: string }> {
  return outputOf('bash', ['-euo', 'pipefail', '-c', text], { cwd: ROOT, env: { ...process.env, ...env } });
}
