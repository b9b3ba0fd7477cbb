import { Module } from '@nestjs/common';
import { CertificatesController } from './certificates.controller';
import { VerifyDataHandler } from './commands/verify-data.command';
import { LastVerification } from './last-verification';
import { GetCertificateHandler } from './queries/get-certificate.query';
import { VerificationScheduler } from './verification.scheduler';

/** Whether the data is complete, and whether its layers agree. */
@Module({
  controllers: [CertificatesController],
  providers: [GetCertificateHandler, VerifyDataHandler, LastVerification, VerificationScheduler],
})
export class CertificatesModule {}
