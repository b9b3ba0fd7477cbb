import { Logger, PinoLogger } from 'nestjs-pino';
import type { Config } from '../config/config';
import { logOptions } from './log-options';

/** What NestJS tells of its own making: sixty lines that say the same at each start. */
const CHATTER = new Set(['InstanceLoader', 'RoutesResolver', 'RouterExplorer']);
/** It logs what it then throws, and whoever catches that tells it. */
const THROWER = 'ExceptionHandler';

/** The log from the first moment on: a process that waits or fails while it starts says so when it happens. */
export class ServiceLogger extends Logger {
  static of({ logLevel }: Config): ServiceLogger {
    const parameters = { pinoHttp: logOptions(logLevel) };
    return new ServiceLogger(new PinoLogger(parameters), parameters);
  }

  override log(message: unknown, ...parameters: unknown[]): void {
    if (CHATTER.has(String(parameters.at(-1)))) super.debug(message, ...parameters);
    else super.log(message, ...parameters);
  }

  override error(message: unknown, ...parameters: unknown[]): void {
    if (parameters.at(-1) !== THROWER) super.error(message, ...parameters);
  }
}
