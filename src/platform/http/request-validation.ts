import {
  type ArgumentMetadata,
  Injectable,
  type PipeTransform,
  ValidationPipe,
  type ValidationPipeOptions,
} from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { AppError, type Violation } from '../../shared/errors';
import { assertPlain, assertShallow } from './plain-body';

const OPTIONS: ValidationPipeOptions = {
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  stopAtFirstError: false,
  // The refusal of an unknown name says which names are known, and Nest leaves the target out unless told.
  validationError: { target: true },
};

/**
 * Checks queries and bodies by their DTO classes; what a DTO does not declare is refused by name. A wrong parameter is
 * named, a wrong part of the body is pointed to (RFC 6901).
 */
@Injectable()
export class RequestValidation implements PipeTransform {
  private readonly ofParameters = new ValidationPipe({
    ...OPTIONS,
    exceptionFactory: (errors) => refusal(errors.flatMap((error) => violationsOf(error, asParameter))),
  });
  private readonly ofBodies = new ValidationPipe({
    ...OPTIONS,
    exceptionFactory: (errors) => refusal(errors.flatMap((error) => violationsOf(error, asPointer))),
  });

  async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type !== 'body') return this.ofParameters.transform(value, metadata);
    assertShallow(value);
    // A body without a DTO is looked into by whoever takes it.
    if (metadata.metatype !== Object) assertPlain(value);
    return this.ofBodies.transform(value, metadata);
  }
}

type Place = (path: readonly string[]) => Pick<Violation, 'parameter' | 'pointer'>;

const asParameter: Place = (path) => ({ parameter: path.join('.') });
const asPointer: Place = (path) => ({
  pointer: path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
});

function violationsOf(error: ValidationError, place: Place, above: readonly string[] = []): Violation[] {
  const path = [...above, error.property];
  const own = Object.entries(error.constraints ?? {}).map(([constraint, message]) => ({
    ...place(path),
    detail:
      constraint === 'whitelistValidation' ? `is not known here; known are ${knownOf(error)}.` : message,
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => violationsOf(child, place, path))];
}

function refusal(violations: readonly Violation[]): AppError {
  const sentences = violations.map(({ parameter, pointer, detail }) => `${parameter ?? pointer}: ${detail}`);
  return new AppError('invalid', sentences.join('; ') || 'The body must be a JSON object.', { violations });
}

function knownOf({ target }: ValidationError): string {
  const names = Reflect.getMetadata('swagger/apiModelPropertiesArray', (target as object).constructor.prototype as object) as string[] | undefined; // prettier-ignore
  return names?.map((name) => name.replace(':', '')).join(', ') ?? 'those of the API documentation';
}
