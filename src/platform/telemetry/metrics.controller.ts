import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { register } from 'prom-client';
import { AllowAnonymous } from '../http/allow-anonymous.decorator';

/** Prometheus' text format, version 0.0.4. */
@ApiExcludeController()
@AllowAnonymous()
@Controller('metrics')
export class MetricsController {
  @Get()
  @Header('content-type', register.contentType)
  metrics(): Promise<string> {
    return register.metrics();
  }
}
