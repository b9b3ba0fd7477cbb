import { join } from 'node:path';
import { outputOf, unpackedDebianPackages } from './debian-tools';

/** Runs promtool: the machine's own, or Debian's. */
export async function promtool(args: readonly string[], input = ''): Promise<{ code: number; text: string }> {
  return outputOf(await prometheusProgram('promtool'), args, { input });
}

/** A program of Debian's package of Prometheus: the machine's own, or one that is unpacked for the tests. */
export async function prometheusProgram(name: 'prometheus' | 'promtool'): Promise<string> {
  if ((await outputOf(name, ['--version'])).code === 0) return name;
  return join(await unpackedDebianPackages('prometheus', ['prometheus']), 'usr', 'bin', name);
}
