import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { AppError, type Violation } from '../../shared/errors';

/** Checks queries and bodies by their DTO classes; what a DTO does not declare is refused by name. */
export function requestValidation(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    stopAtFirstError: false,
    // The refusal of an unknown name says which names are known.
    validationError: { target: true },
    exceptionFactory: (errors) => {
      const violations = errors.flatMap((error) => violationsOf(error));
      const detail = violations
        .map(({ parameter, detail: allowed }) => `${parameter}: ${allowed}`)
        .join('; ');
      return new AppError('invalid', detail, { violations });
    },
  });
}

function violationsOf(error: ValidationError, path = ''): Violation[] {
  const name = path === '' ? error.property : `${path}.${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([constraint, message]) => ({
    parameter: name,
    detail:
      constraint === 'whitelistValidation' ? `is not known here; known are ${knownOf(error)}.` : message,
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => violationsOf(child, name))];
}

function knownOf({ target }: ValidationError): string {
  const names = Reflect.getMetadata('swagger/apiModelPropertiesArray', (target as object).constructor.prototype as object) as string[] | undefined; // prettier-ignore
  return names?.map((name) => name.replace(':', '')).join(', ') ?? 'those of the API documentation';
}
