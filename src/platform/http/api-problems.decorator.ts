import { applyDecorators } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import type { ErrorKind } from '../../shared/errors';
import { STATUS_OF } from './problem';

class ViolationModel {
  @ApiPropertyOptional({ description: 'Name of the query or path parameter.' })
  parameter?: string;

  @ApiPropertyOptional({ description: 'JSON pointer into the body.' })
  pointer?: string;

  @ApiProperty({ description: 'What is allowed.' })
  detail!: string;
}

/** Problem details (RFC 9457). */
export class ProblemModel {
  @ApiProperty({ example: 'about:blank' })
  type!: string;

  @ApiProperty()
  title!: string;

  @ApiProperty({ type: 'integer' })
  status!: number;

  @ApiProperty({ description: 'What is wrong and what to do.' })
  detail!: string;

  @ApiPropertyOptional({ type: [ViolationModel] })
  errors?: ViolationModel[];
}

/** Documents the problems that a route can answer with. */
export function ApiProblems(...kinds: ErrorKind[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ApiExtraModels(ProblemModel),
    ...kinds.map((kind) =>
      ApiResponse({
        status: STATUS_OF[kind].status,
        description: STATUS_OF[kind].title,
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemModel) } } },
      }),
    ),
  );
}
