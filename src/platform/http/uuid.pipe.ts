import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { AppError } from '../../shared/errors';
import { UUID } from '../../shared/uuid';

/** `@Param('jobId', UuidPipe)`: a UUID in lower case; anything else is refused with the parameter's name. */
@Injectable()
export class UuidPipe implements PipeTransform<unknown, string> {
  transform(value: unknown, { data: parameter = '' }: ArgumentMetadata): string {
    if (typeof value === 'string' && UUID.test(value)) return value.toLowerCase();
    throw AppError.invalidParameter(parameter, 'must be a UUID.');
  }
}
