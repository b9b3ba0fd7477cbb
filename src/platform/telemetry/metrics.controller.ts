import { Controller, Get, Headers, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { register } from 'prom-client';
import { AllowAnonymous } from '../http/allow-anonymous.decorator';
import { openMetrics, OPEN_METRICS } from './open-metrics';

/** Prometheus' text format, version 0.0.4, or OpenMetrics with exemplars for those who accept it. */
@ApiExcludeController()
@AllowAnonymous()
@Controller('metrics')
export class MetricsController {
  @Get()
  async metrics(
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const isOpen = accept?.includes('application/openmetrics-text') ?? false;
    void reply.header('content-type', isOpen ? OPEN_METRICS : register.contentType);
    return isOpen ? openMetrics(register) : register.metrics();
  }
}
