import { applyDecorators, type Type, UseInterceptors } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiProduces,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { ApiProblems } from '../platform/http/api-problems.decorator';
import { AnswerFormat } from './answer-format.interceptor';

interface AnswerDocumentation {
  readonly summary: string;
  readonly description: string;
  readonly answer: Type;
  /** What the answer looks like, shortened to a row or two. */
  readonly example: object;
  readonly csvExample: string;
}

const ETAG = { description: 'Weak; changes with the data, not with the lag.', schema: { type: 'string' } };
const CSV_HEADERS = {
  'x-data-through': { description: 'With text/csv: freshness.dataThrough.', schema: { type: 'string' } },
  'x-data-status': { description: 'With text/csv: freshness.status.', schema: { type: 'string' } },
  'x-data-final': { description: 'With text/csv: freshness.final.', schema: { type: 'string' } },
};

/** A route that answers with rows: as JSON or CSV, with an ETag, and refusing what cannot be answered. */
export function ApiAnswer({
  summary,
  description,
  answer,
  example,
  csvExample,
}: AnswerDocumentation): MethodDecorator {
  // prettier-ignore
  return applyDecorators(
    UseInterceptors(AnswerFormat),
    ApiExtraModels(answer),
    ApiProduces('application/json', 'text/csv'),
    ApiOperation({ summary, description }),
    ApiHeader({ name: 'If-None-Match', required: false, description: 'ETag of an answer that is at hand.' }),
    ApiResponse({
      status: 200,
      description: 'The answer; without rows when nothing happened.',
      headers: { ETag: ETAG, ...CSV_HEADERS },
      content: {
        'application/json': { schema: { $ref: getSchemaPath(answer) }, example },
        'text/csv': { schema: { type: 'string' }, example: csvExample },
      },
    }),
    ApiResponse({ status: 304, description: 'The answer at hand still holds.', headers: { ETag: ETAG } }),
    ApiProblems('invalid', 'unanswerable'),
  );
}
