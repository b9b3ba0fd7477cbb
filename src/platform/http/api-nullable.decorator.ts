import { applyDecorators, type Type } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';

/** Documents a property that is an object of that model or null: beside a reference, `nullable` says nothing in OpenAPI 3.0. */
export function ApiNullable(model: Type, description: string): PropertyDecorator {
  return (target, property) => {
    applyDecorators(ApiExtraModels(model))(target.constructor as never);
    ApiProperty({
      description,
      oneOf: [{ $ref: getSchemaPath(model) }, { type: 'object', nullable: true, enum: [null] }],
    })(target, property);
  };
}
