import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { AppError } from '../../shared/errors';

const KEY_ID = /^[A-Za-z0-9]{4,40}$/;

/** `@Param('keyId', KeyIdPipe)`: the id of an API key; anything else is refused with the parameter's name. */
@Injectable()
export class KeyIdPipe implements PipeTransform<unknown, string> {
  transform(value: unknown, { data: parameter = '' }: ArgumentMetadata): string {
    if (typeof value === 'string' && KEY_ID.test(value)) return value;
    throw AppError.invalidParameter(parameter, 'must be the id of an API key: 4 to 40 letters and digits.');
  }
}
