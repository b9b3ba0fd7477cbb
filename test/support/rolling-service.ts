import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceProcess } from '../../src/cli/service-process';

/** How long requests still come after an endpoint was taken out: the chart's preStop hook, shortened. */
const STILL_ADDRESSED_MS = 500;

/** Replicas of one role behind an address, as a Deployment and its Service: only ready ones are addressed. */
export class RollingService {
  private replicas: ServiceProcess[] = [];
  private addressed: ServiceProcess[] = [];
  private turn = 0;
  private started = 0;

  private constructor(
    private readonly role: string,
    private readonly settings: Record<string, string>,
    private readonly directory: string,
  ) {}

  static async start(
    role: string,
    replicas: number,
    settings: Record<string, string>,
    directory: string,
  ): Promise<RollingService> {
    const service = new RollingService(role, { ...settings, SERVICE_ROLES: role }, directory);
    const started = await Promise.all(Array.from({ length: replicas }, () => service.startOne()));
    service.replicas = started;
    service.addressed = [...started];
    return service;
  }

  /** Of the next replica in turn. */
  get url(): string {
    const replica = this.addressed[this.turn++ % this.addressed.length];
    if (!replica) throw new Error(`No replica of ${this.role} is ready.`);
    return replica.url;
  }

  /** One more, and when it is ready one less, until every replica is a new one. Answers their exit codes. */
  async roll(): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const old of [...this.replicas]) {
      const fresh = await this.startOne();
      this.replicas.push(fresh);
      this.addressed = [...this.addressed.filter((replica) => replica !== old), fresh];
      await sleep(STILL_ADDRESSED_MS);
      codes.push(await old.stop());
      this.replicas = this.replicas.filter((replica) => replica !== old);
    }
    return codes;
  }

  async stop(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.stop()));
  }

  private async startOne(): Promise<ServiceProcess> {
    const name = `${this.role}-${(this.started += 1)}`;
    const DATA_DIR = join(this.directory, name);
    mkdirSync(DATA_DIR);
    const replica = await ServiceProcess.start({ ...this.settings, DATA_DIR }, join(DATA_DIR, 'service.log'));
    await replica.ready();
    return replica;
  }
}
