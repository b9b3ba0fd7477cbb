import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { OrgScope } from '../access/principal';
import { Requires, Scope } from '../access/requires.decorator';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { Certificate, CertificateParameters } from './certificate.dto';
import { GetCertificateQuery } from './queries/get-certificate.query';

@ApiTags('trust and repair')
@Controller('analytics/v1/orgs/:orgId')
export class CertificatesController {
  constructor(private readonly queries: QueryBus) {}

  @Get('certificate')
  @Requires('usage:read')
  @ApiOperation({
    summary: 'Whether a window is complete, and what proves it',
    description:
      'What became of every event that was received, a recount of the single events held against each rollup and the ' +
      'ledger, open gaps, and how far the data reaches. `complete` is false with the reasons.',
  })
  @ApiParam({ name: 'orgId', format: 'uuid' })
  @ApiOkResponse({ type: Certificate })
  @ApiProblems('invalid', 'not_found', 'unanswerable')
  getCertificate(@Scope() scope: OrgScope, @Query() parameters: CertificateParameters): Promise<Certificate> {
    return this.queries.execute(new GetCertificateQuery(scope, parameters));
  }
}
