import { Presets, SingleBar } from 'cli-progress';

/** How far long work is: a bar on a terminal, elsewhere a plain line at every tenth. Written to standard error. */
export class Progress {
  private readonly bar: SingleBar | undefined;
  private readonly startedAt = Date.now();
  private done = 0;
  private told = 0;

  constructor(
    private readonly label: string,
    private readonly total: number,
    private readonly unit: string,
  ) {
    if (!process.stderr.isTTY || total === 0) return;
    const format = `${label} {bar} {percentage} % | {value}/{total} ${unit} | {eta_formatted} left`;
    this.bar = new SingleBar({ format, stream: process.stderr, hideCursor: true }, Presets.shades_classic);
    this.bar.start(total, 0);
  }

  advance(by: number): void {
    this.to(this.done + by);
  }

  to(done: number): void {
    this.done = done;
    this.bar?.update(done);
    const tenth = this.total === 0 ? 10 : Math.floor((10 * done) / this.total);
    if (this.bar || tenth === this.told) return;
    this.told = tenth;
    console.error(`${this.label}: ${done} of ${this.total} ${this.unit} (${tenth * 10} %)`);
  }

  stop(): void {
    this.bar?.stop();
    const seconds = (Date.now() - this.startedAt) / 1_000;
    console.error(`${this.label}: ${this.done} ${this.unit} in ${seconds.toFixed(1)} s`);
  }
}
