import { type CustomDecorator, SetMetadata } from '@nestjs/common';

export const ANONYMOUS = 'access:anonymous';

/** Anyone gets in: probes and metrics. Every other route says what it requires. */
export const AllowAnonymous = (): CustomDecorator => SetMetadata(ANONYMOUS, true);
