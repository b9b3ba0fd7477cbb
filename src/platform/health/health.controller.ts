import { Controller, Get, HttpException, HttpStatus, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { AllowAnonymous } from '../http/allow-anonymous.decorator';
import { type ReadinessCheck, ReadinessChecks } from './readiness-checks';

@ApiTags('health')
@AllowAnonymous()
@Controller('healthz')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly checks: ReadinessChecks,
  ) {}

  @Get('live')
  @ApiOperation({
    summary: 'The process runs',
    description: 'Answers while the event loop turns; asks nothing else.',
  })
  @ApiResponse({ status: 200, description: 'It runs.' })
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'The process can do its work', description: 'Tests progress, not only sockets.' })
  @ApiResponse({ status: 200, description: 'Every check holds.' })
  @ApiResponse({ status: 503, description: 'The checks that do not hold, each with a sentence.' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<unknown> {
    try {
      return await this.health.check(
        this.checks.all().map(
          ([name, check]) =>
            () =>
              this.indicate(name, check),
        ),
      );
    } catch (error) {
      if (!(error instanceof HttpException)) throw error;
      void reply.status(HttpStatus.SERVICE_UNAVAILABLE);
      return error.getResponse();
    }
  }

  private async indicate(name: string, check: ReadinessCheck): Promise<HealthIndicatorResult> {
    const { up, detail, since } = await this.checks.ask(name, check);
    const indicator = this.indicators.check(name);
    const facts = { detail, since: since.toISOString() };
    return up ? indicator.up(facts) : indicator.down(facts);
  }
}
