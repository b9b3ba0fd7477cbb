import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerAccount } from '../../platform/database/embedded/postgres-programs';
import { isAlive, processTree } from './process-tree';
import { type ServerProgram, within } from './server-program';

export interface ProcessOptions {
  name: string;
  command: string;
  args: string[];
  environment?: NodeJS.ProcessEnv;
  /** Whom to run it as, when not as ourselves. */
  account?: ServerAccount | null;
  /** Working directory, and where its output goes as `<name>.log`. */
  directory: string;
  /** The signal on which it ends in order, and the one on which it ends fast. */
  endSignal: NodeJS.Signals;
  disposeSignal: NodeJS.Signals;
}

/** A server as a process of this machine, in a session of its own so that Ctrl-C does not reach it. */
export class ServerProcess implements ServerProgram {
  readonly lookEveryMs = 50;
  private child: ChildProcess | undefined;

  constructor(private readonly options: ProcessOptions) {}

  get name(): string {
    return this.options.name;
  }

  get pid(): number | undefined {
    return this.running ? this.child?.pid : undefined;
  }

  async launch(): Promise<void> {
    const { command, args, environment, account, directory } = this.options;
    mkdirSync(directory, { recursive: true });
    const log = openSync(this.logFile, 'a');
    const child = spawn(command, args, {
      cwd: directory,
      env: { ...process.env, ...environment },
      detached: true,
      stdio: ['ignore', log, log],
      ...account,
    });
    closeSync(log);
    this.child = child;
    child.unref();
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new Error(`${command} does not start: ${error.message}`)));
    });
  }

  async runs(): Promise<boolean> {
    return this.running;
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    const pid = this.pid;
    if (pid === undefined) return;
    const wholeServer = signal === 'SIGKILL' || signal === 'SIGSTOP' || signal === 'SIGCONT';
    const targets = wholeServer ? processTree(pid) : [pid];
    for (const target of targets) send(target, signal);
    if (signal === 'SIGKILL') await within(5_000, () => !this.running && !targets.some(isAlive));
  }

  end(): Promise<void> {
    return this.endBy(this.options.endSignal);
  }

  dispose(): Promise<void> {
    return this.endBy(this.options.disposeSignal);
  }

  lastResort(): string {
    return this.child?.pid === undefined ? ':' : `kill -s KILL -- -${this.child.pid} ${this.child.pid}`;
  }

  async lastWords(): Promise<string> {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  }

  private async endBy(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    await this.signal('SIGCONT');
    await this.signal(signal);
    if (!(await within(20_000, () => !this.running))) await this.signal('SIGKILL');
  }

  private get running(): boolean {
    return this.child?.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  private get logFile(): string {
    return join(this.options.directory, `${this.name}.log`);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended between being listed and being signalled.
  }
}
