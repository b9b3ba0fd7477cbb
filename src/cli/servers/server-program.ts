/** How a server is run: as a process of this machine or as a container. Neither knows what it serves. */
export interface ServerProgram {
  readonly name: string;
  /** The main process; undefined while it does not run, and for a container. */
  readonly pid: number | undefined;
  /** How long to wait between two looks at whether it serves yet. */
  readonly lookEveryMs: number;
  /** Launches it, without waiting until it serves. */
  launch(): Promise<void>;
  /** False once it has ended, by itself or by a signal. */
  runs(): Promise<boolean>;
  /** Sends a signal; SIGKILL, SIGSTOP and SIGCONT reach every process of the server. */
  signal(signal: NodeJS.Signals): Promise<void>;
  /** Ends it in the server's own orderly way, with its data kept for the next launch. */
  end(): Promise<void>;
  /** Ends it for good, as fast as it goes; its data is not needed any more. */
  dispose(): Promise<void>;
  /** A shell command that ends it when nobody is left to call `dispose`. */
  lastResort(): string;
  /** The last lines it printed, for the message when it fails to start. */
  lastWords(): Promise<string>;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls until the condition holds; false when it does not within `timeoutMs`. */
export async function within(
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await pause(25);
  }
  return true;
}
