import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServerProgram } from './server-program';

const run = promisify(execFile);

export interface ContainerOptions {
  name: string;
  image: string;
  /** Port of this machine to port of the container. */
  ports: [host: number, container: number][];
  environment?: Record<string, string>;
  /** Arguments of the image's entry point. */
  command?: string[];
  log: (line: string) => void;
}

/** True when a Docker engine answers, not only when the program is there. */
export async function dockerAnswers(): Promise<boolean> {
  try {
    await run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 5_000 });
    return true;
  } catch {
    return false;
  }
}

/** A server as a container whose ports are published on loopback only and stay the same over restarts. */
export class ServerContainer implements ServerProgram {
  readonly pid = undefined;
  readonly lookEveryMs = 500;
  private container: string | undefined;

  constructor(private readonly options: ContainerOptions) {}

  get name(): string {
    return this.options.name;
  }

  async launch(): Promise<void> {
    if (this.container !== undefined) {
      await run('docker', ['start', this.container]);
      return;
    }
    const { image, ports, environment = {}, command = [], log } = this.options;
    if (!(await imageIsHere(image))) {
      log(`pulling the image ${image}`);
      await run('docker', ['pull', '--quiet', image], { timeout: 600_000 });
    }
    const published = ports.flatMap(([host, inside]) => ['--publish', `127.0.0.1:${host}:${inside}`]);
    const variables = Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const { stdout } = await run('docker', [
      'run',
      '--detach',
      ...published,
      ...variables,
      image,
      ...command,
    ]);
    this.container = stdout.trim();
  }

  async runs(): Promise<boolean> {
    if (this.container === undefined) return false;
    const { stdout } = await run('docker', ['inspect', '--format', '{{.State.Running}}', this.container]);
    return stdout.trim() === 'true';
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    if (this.container === undefined) return;
    // Signals go to the container's first process only; pausing stops every one of them.
    if (signal === 'SIGSTOP') await run('docker', ['pause', this.container]);
    else if (signal === 'SIGCONT') await run('docker', ['unpause', this.container]);
    else await run('docker', ['kill', '--signal', signal, this.container]);
  }

  async end(): Promise<void> {
    if (this.container !== undefined) await run('docker', ['stop', '--time', '20', this.container]);
  }

  async dispose(): Promise<void> {
    if (this.container === undefined) return;
    await run('docker', ['rm', '--force', '--volumes', this.container]);
    this.container = undefined;
  }

  /** Runs a program inside the container and answers what it printed. */
  async execute(command: string[]): Promise<string> {
    if (this.container === undefined) throw new Error(`The container of ${this.name} was not started.`);
    const { stdout } = await run('docker', ['exec', this.container, ...command]);
    return stdout;
  }

  lastResort(): string {
    return this.container === undefined ? ':' : `docker rm --force --volumes ${this.container}`;
  }

  async lastWords(): Promise<string> {
    if (this.container === undefined) return '';
    const { stdout, stderr } = await run('docker', ['logs', '--tail', '15', this.container]);
    return (stdout + stderr).trimEnd();
  }
}

async function imageIsHere(image: string): Promise<boolean> {
  return run('docker', ['image', 'inspect', image]).then(
    () => true,
    () => false,
  );
}
