import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module';
import type { Config } from './platform/config/config';
import { configureHttp, httpAdapter } from './platform/http/http-server';
import { serveOpenApi } from './platform/http/openapi';
import { startTracing } from './platform/telemetry/tracing';
import { ServiceLogger } from './platform/logging/service-logger';

/** The whole service for a configuration, not listening yet; the same in production and in tests. */
export async function createApplication(config: Config): Promise<NestFastifyApplication> {
  await startTracing(config);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.of(config), httpAdapter(config), {
    logger: ServiceLogger.of(config),
    abortOnError: false,
    // Fastify reads JSON by itself; Nest would add forms.
    bodyParser: false,
  });
  await configureHttp(app);
  serveOpenApi(app);
  return app;
}
