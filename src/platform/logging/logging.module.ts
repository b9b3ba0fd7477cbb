import { Global, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Config } from '../config/config';
import { logOptions } from './log-options';

/** JSON lines by pino on standard output; inside a request each carries its id. */
@Global()
@Module({
  imports: [
    LoggerModule.forRootAsync({
      inject: [Config],
      useFactory: ({ logLevel }: Config) => ({ pinoHttp: logOptions(logLevel) }),
    }),
  ],
})
export class LoggingModule {}
