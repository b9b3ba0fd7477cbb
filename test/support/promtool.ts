import { join } from 'node:path';
import { outputOf, unpackedDebianPackages } from './debian-tools';

/** Runs promtool: the machine's own, or Debian's. */
export async function promtool(args: readonly string[], input = ''): Promise<{ code: number; text: string }> {
  return outputOf(await program(), args, { input });
}

async function program(): Promise<string> {
  if ((await outputOf('promtool', ['--version'])).code === 0) return 'promtool';
  return join(await unpackedDebianPackages('prometheus', ['prometheus']), 'usr', 'bin', 'promtool');
}
