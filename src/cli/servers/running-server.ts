import type { Guardian } from './guardian';
import { pause, type ServerProgram } from './server-program';

/** Where a server comes from; the run's first lines and failures say it. */
export type Origin = 'environment' | 'machine' | 'docker' | 'npm';

export interface RunningServer {
  readonly name: string;
  readonly origin: Origin;
  readonly version: string;
  readonly url: string;
  /** The server's main process; undefined while it is down, in a container or somebody else's. */
  readonly pid: number | undefined;
  /** SIGKILL, SIGSTOP and SIGCONT reach all of the server's processes; returns after SIGKILL once they are gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Up again on the same port with the same data; returns when it serves. Ends it first if it still runs. */
  restart(): Promise<void>;
  /** Ends it if it was started here; nothing else is ever ended. May be called twice. */
  stop(): Promise<void>;
}

/** Connects as a client does and answers the server's version, or fails while it is not ready. */
export type Probe = () => Promise<string>;

export interface PrivateServerOptions {
  name: string;
  origin: Origin;
  url: string;
  program: ServerProgram;
  /** What it cannot run without; started before it, ended after it, not touched by `kill` and `restart`. */
  companion?: ServerProgram;
  probe: Probe;
  readyWithinMs: number;
  guardian: Guardian;
}

/** A server that was started here, for this run only. */
export class PrivateServer implements RunningServer {
  version = '';

  constructor(private readonly options: PrivateServerOptions) {}

  get name(): string {
    return this.options.name;
  }

  get origin(): Origin {
    return this.options.origin;
  }

  get url(): string {
    return this.options.url;
  }

  get pid(): number | undefined {
    return this.options.program.pid;
  }

  /** Returns when a client is served; throws with the server's own last words when it is not in time, leaving nothing behind. */
  async start(): Promise<this> {
    const { companion, program } = this.options;
    try {
      if (companion && !(await companion.runs())) await this.launch(companion);
      await this.launch(program);
      this.version = await this.ready();
      return this;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.options.program.signal(signal);
  }

  async restart(): Promise<void> {
    await this.options.program.end();
    await this.start();
  }

  async stop(): Promise<void> {
    for (const program of [this.options.program, this.options.companion]) {
      if (!program) continue;
      await program.dispose();
      this.options.guardian.forget(program.name);
    }
  }

  private async launch(program: ServerProgram): Promise<void> {
    await program.launch();
    this.options.guardian.note(program.name, program.lastResort());
  }

  /** A killed PostgreSQL may refuse its first start while the old one's memory is being freed: hence the relaunch. */
  private async ready(): Promise<string> {
    const { name, probe, program, readyWithinMs } = this.options;
    const deadline = Date.now() + readyWithinMs;
    let relaunches = 3;
    for (;;) {
      try {
        return await probe();
      } catch (error) {
        const ended = !(await program.runs());
        if (Date.now() > deadline || (ended && relaunches-- === 0)) {
          throw new Error(`${name} does not answer: ${String(error)}\n${await program.lastWords()}`);
        }
        await pause(ended ? 500 : program.lookEveryMs);
        if (ended) await this.launch(program);
      }
    }
  }
}

/** A server somebody else runs, named by the environment; it is used, never stopped. */
export class GivenServer implements RunningServer {
  readonly origin = 'environment';
  readonly pid = undefined;

  private constructor(
    readonly name: string,
    readonly url: string,
    readonly version: string,
  ) {}

  /** Throws a sentence naming the variable when nobody answers there. */
  static async connect(name: string, variable: string, url: string, probe: Probe): Promise<GivenServer> {
    try {
      return new GivenServer(name, url, await probe());
    } catch (error) {
      throw new Error(`${variable} names no ${name} that answers: ${String(error)}`);
    }
  }

  kill(): Promise<void> {
    return this.refuse();
  }

  restart(): Promise<void> {
    return this.refuse();
  }

  async stop(): Promise<void> {
    // It was running before us and runs on.
  }

  private refuse(): Promise<never> {
    return Promise.reject(new Error(`${this.name} was given by the environment and is not ours to end.`));
  }
}
