import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './servers/free-port';

/** The built service, also when this file runs from its source. */
const MAIN = join(__dirname, '..', '..', 'dist', 'main.js');

/** As the Dockerfile and `npm start` have them: what is measured is what runs. */
const NODE_OPTIONS_OF_IMAGE = [
  '--enable-source-maps',
  '--max-semi-space-size=32',
  '--max-old-space-size=512',
];

/** The service as a process of its own, as an operator would run it. */
export class ServiceProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
    readonly logFile: string,
  ) {}

  /**
   * Starts it with `settings` as its environment; its log goes to `logFile`. Settings of the caller's environment that
   * the service knows are not passed on, so that two runs are the same. `main` is another build's main.js.
   */
  static async start(
    settings: Record<string, string>,
    logFile: string,
    main = MAIN,
  ): Promise<ServiceProcess> {
    const port = settings['PORT'] ?? String(await freePort());
    const log = openSync(logFile, 'a');
    const { PATH = '', HOME = '', TMPDIR = '/tmp', NODE_OPTIONS = '' } = process.env;
    const child = spawn(process.execPath, [...NODE_OPTIONS_OF_IMAGE, main], {
      env: { PATH, HOME, TMPDIR, NODE_OPTIONS, HOST: '127.0.0.1', ...settings, PORT: port },
      stdio: ['ignore', log, log],
    });
    return new ServiceProcess(child, `http://127.0.0.1:${port}`, logFile);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves when the service is ready. Throws when it ends first or is not ready within `seconds`. */
  async ready(seconds = 120): Promise<void> {
    const deadline = Date.now() + seconds * 1_000;
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`The service ended while it started; its log is ${this.logFile}`);
      }
      const answer = await fetch(`${this.url}/healthz/ready`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(100);
    }
    throw new Error(`The service was not ready within ${seconds} s; its log is ${this.logFile}`);
  }

  /** Ends it gracefully, as Kubernetes would; answers its exit code. */
  async stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Resolves with the exit code when the process has ended, by whatever. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended();
  }
}
