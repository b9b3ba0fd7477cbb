import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../src/cli/servers/free-port';
import { eventually } from './eventually';
import { prometheusProgram } from './promtool';

const RULES = join(__dirname, '..', '..', 'charts', 'usage-analytics', 'prometheus', 'rules.yaml');

/** A Prometheus with the chart's rules, which scrapes and evaluates every second. */
export class PrometheusServer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
    private readonly targets: string,
  ) {}

  static async start(directory: string): Promise<PrometheusServer> {
    const home = join(directory, 'prometheus');
    mkdirSync(home);
    const [rules, targets, config] = ['rules.yaml', 'targets.json', 'prometheus.yaml'].map((file) =>
      join(home, file),
    );
    writeFileSync(rules ?? '', readFileSync(RULES, 'utf8').replaceAll('interval: 1m\n', 'interval: 1s\n'));
    writeFileSync(targets ?? '', '[]');
    // JSON is YAML.
    writeFileSync(config ?? '', JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [rules],
      scrape_configs: [{ job_name: 'usage-analytics', file_sd_configs: [{ files: [targets] }] }],
    })); // prettier-ignore
    const port = await freePort();
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${home}/data`, `--web.listen-address=127.0.0.1:${port}`]; // prettier-ignore
    const child = spawn(await prometheusProgram('prometheus'), args, { stdio: 'ignore' });
    const server = new PrometheusServer(child, `http://127.0.0.1:${port}`, targets ?? '');
    await eventually(async () => expect((await fetch(`${server.url}/-/ready`)).ok).toBe(true));
    return server;
  }

  /** Scrapes these from now on, by host and port. */
  scrape(targets: readonly string[]): void {
    writeFileSync(this.targets, JSON.stringify([{ targets }]));
  }

  /** Alerts whose condition holds now, whether they have fired yet or not. Throws when a rule cannot be evaluated. */
  async alarms(): Promise<string[]> {
    interface Rule { name: string; type: string; state?: string; health: string; lastError?: string } // prettier-ignore
    const answer = await fetch(`${this.url}/api/v1/rules`);
    const { data } = (await answer.json()) as { data: { groups: { rules: Rule[] }[] } };
    const rules = data.groups.flatMap((group) => group.rules);
    const ill = rules
      .filter(({ health }) => health !== 'ok')
      .map(({ name, lastError }) => `${name}: ${lastError}`);
    if (rules.length === 0 || ill.length > 0)
      throw new Error(`Rules that are not evaluated: ${ill.join('\n')}`);
    return rules
      .filter(({ type, state }) => type === 'alerting' && state !== 'inactive')
      .map(({ name }) => name);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }
}
