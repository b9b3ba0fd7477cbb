import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..', '..');
let source = ROOT;

/** A copy of the built service, in which bugs can be planted. */
export class Build {
  private constructor(private readonly directory: string) {}

  /** From now on copies are made from a copy in this directory: what is built or edited meanwhile reaches no run. */
  static freeze(directory: string): void {
    Build.copyTo(directory);
    source = directory;
  }

  static copyTo(directory: string): Build {
    for (const part of ['dist', 'sql', 'migrations', 'package.json']) {
      cpSync(join(source, part), join(directory, part), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    return new Build(directory);
  }

  get main(): string {
    return join(this.directory, 'dist', 'main.js');
  }

  /** Changes a file. Throws when the text is not there, as a bug that is not planted proves nothing. */
  replace(file: string, text: string | RegExp, by: string): void {
    const path = join(this.directory, file);
    const before = readFileSync(path, 'utf8');
    const after = before.replace(text, () => by);
    if (after === before) throw new Error(`${file} has no ${String(text)}: plant this bug in another way.`);
    writeFileSync(path, after);
  }

  /** Adds a line to the end of a compiled file. */
  append(file: string, code: string): void {
    const path = join(this.directory, file);
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n;${code}\n`);
  }
}
