import { createHash } from 'node:crypto';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { stringify } from 'csv-stringify/sync';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import type { Freshness } from '../shared/messages/get-freshness.query';

/** An answer whose rows can also be written as a table. */
export interface Tabular<Answer extends TableAnswer = TableAnswer> {
  readonly answer: Answer;
  /** Of the table, in order; also when there are no rows. */
  readonly columns: readonly TableColumn[];
}
export interface TableAnswer {
  readonly freshness: Freshness;
}
export interface TableColumn {
  /** Property of a row. */
  readonly key: string;
  readonly header: string;
}

/** Where the rows of an answer are. */
type Rows = 'series' | 'items';

/** The columns of a table; money is written exactly, under the name of its rounded value. */
export function tableColumns(keys: readonly string[]): TableColumn[] {
  return keys
    .filter((key) => key !== 'cost')
    .map((key) => ({ key, header: key === 'costExact' ? 'cost' : key }));
}

/**
 * Writes an answer as JSON, or as CSV where `Accept` prefers it. Cells that a spreadsheet would run as a formula are
 * defused. The weak ETag is that of the data: it stays while nothing but the lag changes, and then a request with
 * `If-None-Match` is answered 304.
 */
@Injectable()
export class AnswerFormat implements NestInterceptor<Tabular, unknown> {
  intercept(context: ExecutionContext, next: CallHandler<Tabular>): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(map((tabular) => format(tabular, request, reply)));
  }
}

function format({ answer, columns }: Tabular, request: FastifyRequest, reply: FastifyReply): unknown {
  const asCsv = prefersCsv(request.headers.accept);
  const etag = etagOf(answer, asCsv);
  // Answers belong to one organisation and grow: caches may keep them, but have to ask.
  void reply.headers({
    etag,
    'cache-control': 'private, no-cache',
    vary: 'Accept, Authorization, X-API-Key',
  });
  if (isAmong(etag, request.headers['if-none-match'])) {
    void reply.status(304);
    return undefined;
  }
  if (!asCsv) return answer;
  const { dataThrough, status, final } = answer.freshness;
  void reply.headers({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'x-data-through': dataThrough ?? '',
    'x-data-status': status,
    'x-data-final': String(final),
  });
  return stringify(rowsOf(answer), {
    columns: [...columns],
    header: true,
    record_delimiter: 'windows', // RFC 4180
    escape_formulas: true,
    cast: { boolean: String },
  });
}

/** Whether `Accept` (RFC 9110, 12.5.1) ranks CSV above JSON. */
export function prefersCsv(accept = ''): boolean {
  const ranges = accept.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return { type, weight: weight === undefined ? 1 : Number(weight) };
  });
  const weightOf = (...types: string[]) =>
    types.map((type) => ranges.find((range) => range.type === type)?.weight).find((each) => each !== undefined) ?? 0; // prettier-ignore
  return weightOf('text/csv', 'text/*', '*/*') > weightOf('application/json', 'application/*', '*/*');
}

function rowsOf(answer: object): object[] {
  const { series, items } = answer as Partial<Record<Rows, object[]>>;
  return series ?? items ?? [];
}

function etagOf(answer: TableAnswer, asCsv: boolean): string {
  const { lagSeconds: _lag, ...freshness } = answer.freshness;
  const content = JSON.stringify([asCsv, { ...answer, freshness }]);
  return `W/"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
}

function isAmong(etag: string, ifNoneMatch: string | undefined): boolean {
  const opaque = (tag: string) => tag.trim().replace(/^W\//, '');
  return (ifNoneMatch ?? '').split(',').some((tag) => tag.trim() === '*' || opaque(tag) === opaque(etag));
}
