import type { Rabbitmqctl, RabbitmqServer } from './rabbitmq-server';
import type { RunningServer } from './running-server';

/** Servers that are up. Asking for one that was not wanted throws. */
export class Servers {
  constructor(
    private readonly started: {
      postgres?: RunningServer | undefined;
      timescale?: RunningServer | undefined;
      rabbitmq?: RabbitmqServer | undefined;
      redis?: RunningServer | undefined;
    },
    /** The version that databases of `timescaleUrl` can create. */
    readonly timescaleVersion: string | undefined,
    private readonly dismiss: () => void,
  ) {}

  get postgres(): RunningServer {
    return wanted(this.started.postgres, 'PostgreSQL');
  }

  get rabbitmq(): RabbitmqServer {
    return wanted(this.started.rabbitmq, 'RabbitMQ');
  }

  get redis(): RunningServer {
    return wanted(this.started.redis, 'Redis');
  }

  /** The maintenance database of a superuser; make databases of your own from there. */
  get databaseUrl(): string {
    return this.postgres.url;
  }

  /** Whether a PostgreSQL among them is somebody else's, so that what is left in it stays. */
  get postgresGiven(): boolean {
    const { postgres, timescale } = this.started;
    return [postgres, timescale].some((server) => server?.origin === 'environment');
  }

  get timescaleAvailable(): boolean {
    return this.started.timescale !== undefined;
  }

  /** As `databaseUrl`, on a server that offers TimescaleDB; mostly the same server. */
  get timescaleUrl(): string {
    return wanted(this.started.timescale, 'PostgreSQL with TimescaleDB').url;
  }

  get amqpUrl(): string {
    return this.rabbitmq.url;
  }

  get redisUrl(): string {
    return this.redis.url;
  }

  get rabbitmqctl(): Rabbitmqctl {
    return this.rabbitmq.rabbitmqctl;
  }

  /** The main processes that were started here and run now. */
  get pids(): number[] {
    return this.all.map((server) => server.pid).filter((pid) => pid !== undefined);
  }

  /** Names, versions and origins, for people. */
  describe(): string {
    return this.all
      .map((server) => {
        const extension =
          server === this.started.timescale ? ` with TimescaleDB ${this.timescaleVersion}` : '';
        return `${server.name} ${server.version}${extension} (${ORIGINS[server.origin]})`;
      })
      .join(', ');
  }

  /** Ends every server that was started here, also when one of them resists. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.all.map((server) => server.stop()));
    this.dismiss();
  }

  private get all(): RunningServer[] {
    const { postgres, timescale, rabbitmq, redis } = this.started;
    return [...new Set([postgres, timescale, rabbitmq, redis])].filter((server) => server !== undefined);
  }
}

const ORIGINS = {
  environment: 'given by the environment',
  machine: "this machine's",
  docker: 'in Docker',
  npm: 'from npm',
};

function wanted<T>(server: T | undefined, name: string): T {
  if (server === undefined) throw new Error(`${name} was not started: ask startServers for it.`);
  return server;
}
