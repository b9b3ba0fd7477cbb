import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createApplication } from './application';
import { ConfigError, loadConfig } from './platform/config/config';
import { ReadinessChecks } from './platform/health/readiness-checks';
import { collectProcessMetrics } from './platform/telemetry/process-metrics';

async function main(): Promise<void> {
  const config = loadConfig();
  collectProcessMetrics();
  const app = await createApplication(config);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    app.get(ReadinessChecks).stop();
    // Whatever hangs must not hold the process beyond its grace; what is committed stays, the rest is read again.
    setTimeout(() => {
      new Logger('Shutdown').warn({}, 'SHUTDOWN_GRACE is over, what still ran is cut off');
      process.exit(0);
    }, config.shutdownGrace).unref();
    app.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  await app.listen({ host: config.host, port: config.port });
}

function fail(error: unknown): never {
  // A mistake of the operator is a sentence; anything else needs its stack.
  const told =
    error instanceof ConfigError || (error instanceof Error && error.name === 'SchemaRefusedError');
  console.error(told ? error.message : error);
  process.exit(1);
}

main().catch(fail);
