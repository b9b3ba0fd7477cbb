import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Ends what was started here however this process ends, `kill -9` included: a shell waits for the end of
 * a pipe that only this process holds, then runs the noted last resorts and removes the directory.
 */
export class Guardian {
  private readonly resorts: string;
  private readonly pipe: NodeJS.WritableStream;

  constructor(private readonly directory: string) {
    this.resorts = join(directory, 'last-resorts');
    mkdirSync(this.resorts, { recursive: true });
    const shell = spawn('/bin/sh', ['-c', WATCH, 'guardian', directory], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    shell.on('error', () => undefined);
    shell.stdin.on('error', () => undefined);
    shell.unref();
    (shell.stdin as unknown as { unref(): void }).unref();
    this.pipe = shell.stdin;
  }

  /** Notes the shell command that ends one server; a later note under the same name replaces it. */
  note(name: string, command: string): void {
    writeFileSync(join(this.resorts, name), command);
  }

  forget(name: string): void {
    rmSync(join(this.resorts, name), { force: true });
  }

  /** Removes the directory and ends the guardian; what was noted and not forgotten is ended first. */
  dismiss(): void {
    if (readdirSync(this.resorts).length === 0) {
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
    this.pipe.end();
  }
}

const WATCH = `
trap '' INT TERM HUP
cat > /dev/null
[ -d "$1" ] || exit 0
for resort in "$1"/last-resorts/*; do
  [ -f "$resort" ] && sh "$resort"
done
sleep 1
rm -rf "$1"
`;
