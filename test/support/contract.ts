import type { INestApplication } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import Ajv, { type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { openApiDocument } from '../../src/platform/http/openapi';

/** What Fastify answers to `inject`, as far as the contract speaks of it. */
interface InjectedAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** The document itself, and what is there for Prometheus. */
const BESIDE_THE_API = /^\/(metrics|openapi\.json|docs(\/.*)?)$/;

/** What a request was answered with, as far as the contract speaks of it. */
export interface ContractAnswer {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | undefined;
  /** Parsed when it is JSON. */
  readonly body: unknown;
}

type Schema = Readonly<Record<string, unknown>>;
interface Operation {
  readonly responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}

/** Checks answers against the OpenAPI document: a route, status, media type or field that it lacks is a mistake. */
export class Contract {
  private readonly ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
  private readonly operations: { pattern: RegExp; method: string; operation: Operation }[] = [];
  private readonly validators = new Map<Schema, ValidateFunction>();

  constructor(document: OpenAPIObject) {
    const { schemas = {} } = document.components ?? {};
    this.ajv.addSchema(closed({ $id: 'openapi', components: { schemas } }) as Schema);
    for (const [path, item] of Object.entries(document.paths)) {
      const pattern = new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`);
      for (const [method, operation] of Object.entries(item))
        this.operations.push({ pattern, method, operation: operation as Operation });
    }
  }

  static of(app: INestApplication): Contract {
    return new Contract(openApiDocument(app));
  }

  /** The same for an answer to `inject`; `url` may have a query. Compressed answers are not looked into. */
  checkInjected(method: string, url: string, { statusCode: status, headers, body }: InjectedAnswer): void {
    const [path = ''] = url.split('?');
    const type = headers['content-type'];
    const contentType = typeof type === 'string' && body !== '' ? type : undefined;
    if (headers['content-encoding'] !== undefined) return;
    const isJson = contentType?.includes('json') === true;
    this.check({ method, path, status, contentType, body: isJson ? (JSON.parse(body) as unknown) : body });
  }

  /** Throws what the document does not say about this answer. That there is no such route needs no document. */
  check({ method, path, status, contentType, body }: ContractAnswer): void {
    const name = `${method.toUpperCase()} ${path}`;
    const found = this.operations.find(
      (each) => each.method === method.toLowerCase() && each.pattern.test(path),
    );
    if (!found && (status === 404 || BESIDE_THE_API.test(path))) return;
    if (!found) throw new Error(`The OpenAPI document has no route ${name}.`);
    const response = found.operation.responses[String(status)];
    if (!response) throw new Error(`The OpenAPI document has no answer ${status} of ${name}.`);
    if (contentType === undefined) return;
    const [mediaType = ''] = contentType.split(';');
    const schema = response.content?.[mediaType]?.schema;
    if (!schema) throw new Error(`The OpenAPI document has no ${mediaType} with ${status} of ${name}.`);
    const validate = this.validatorOf(schema);
    if (!mediaType.endsWith('json') || validate(body)) return;
    throw new Error(
      `The answer ${status} of ${name} breaks the OpenAPI document: ${this.ajv.errorsText(validate.errors)}`,
    );
  }

  private validatorOf(schema: Schema): ValidateFunction {
    const known = this.validators.get(schema);
    if (known) return known;
    const text = JSON.stringify(closed(schema)).replaceAll('"#/components', '"openapi#/components');
    const validate = this.ajv.compile(JSON.parse(text) as Schema);
    this.validators.set(schema, validate);
    return validate;
  }
}

/** The same schema in which objects have no properties but those it names, unless it says which others. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { example: _example, examples: _examples, ...rest } = schema as Schema;
  const same = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, closed(value)]));
  const isOpen = !('properties' in rest) || 'additionalProperties' in rest || 'allOf' in rest;
  return isOpen ? same : { ...same, additionalProperties: false };
}
