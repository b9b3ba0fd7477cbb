import type { IncomingMessage, ServerResponse } from 'node:http';
import { Global, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Config } from '../config/config';

const PROBES = /^\/(healthz|metrics)/;

/**
 * JSON lines by pino. Of a request only what is listed here is logged: credentials, queries and payloads have no way
 * into the log.
 */
@Global()
@Module({
  imports: [
    LoggerModule.forRootAsync({
      inject: [Config],
      useFactory: ({ logLevel }: Config) => ({
        pinoHttp: {
          level: logLevel,
          base: { service: 'usage-analytics' },
          timestamp: () => `,"time":"${new Date().toISOString()}"`,
          formatters: { level: (level: string) => ({ level }) },
          serializers: {
            req: ({ id, method, url }: { id: string; method: string; url: string }) => ({
              id,
              method,
              path: url.split('?')[0],
            }),
            res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
          },
          quietReqLogger: true,
          customSuccessMessage: () => 'Answered a request',
          customErrorMessage: () => 'Answered a request with an error',
          customLogLevel: (_: IncomingMessage, res: ServerResponse) =>
            res.statusCode >= 500 ? 'warn' : 'info',
          autoLogging: {
            ignore: (req: IncomingMessage & { originalUrl?: string }) =>
              PROBES.test(req.originalUrl ?? req.url ?? ''),
          },
        },
      }),
    }),
  ],
})
export class LoggingModule {}
