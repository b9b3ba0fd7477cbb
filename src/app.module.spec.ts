import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants';
import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import { REQUIRED_PERMISSION } from './access/requires.decorator';
import { createApplication } from './application';
import { loadConfig } from './platform/config/config';
import { ANONYMOUS } from './platform/http/allow-anonymous.decorator';
import { openApiDocument } from './platform/http/openapi';

const ANONYMOUS_ROUTES = [
  'HealthController.live',
  'HealthController.ready',
  'MetricsController.metrics',
  // Its links are signed and work for minutes.
  'ArtifactsController.file',
];

interface Route {
  readonly name: string;
  readonly path: string;
  readonly anonymous: boolean;
  readonly permission: string | undefined;
}

/** Every handler of every controller, with what the guard would find on it. */
function routesOf(app: NestFastifyApplication): Route[] {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [
    ...module.controllers.values(),
  ]);
  return controllers.flatMap(({ metatype }) => {
    const type = metatype as (new () => object) | null;
    if (!type) return [];
    const names = Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor');
    return names.flatMap((name) => {
      const handler = (type.prototype as Record<string, () => unknown>)[name];
      if (!handler || Reflect.getMetadata(METHOD_METADATA, handler) === undefined) return [];
      const found = (key: string): unknown =>
        Reflect.getMetadata(key, handler) ?? Reflect.getMetadata(key, type);
      const path = [type, handler].map((at) => Reflect.getMetadata(PATH_METADATA, at) as string).join('/');
      return [
        {
          name: `${type.name}.${name}`,
          path,
          anonymous: found(ANONYMOUS) === true,
          permission: found(REQUIRED_PERMISSION) as string | undefined,
        },
      ];
    });
  });
}

describe('the application', () => {
  let app: NestFastifyApplication;
  let routes: Route[];
  let document: OpenAPIObject;

  beforeAll(async () => {
    // Nothing is connected before the application is initialised.
    const config = loadConfig({ NODE_ENV: 'test', LOG_LEVEL: 'silent', DATABASE_URL: 'postgres://nowhere' });
    app = await createApplication(config);
    routes = routesOf(app);
    document = openApiDocument(app);
  });

  it('has routes', () => {
    expect(routes.map(({ path }) => path)).toContain('analytics/v1/orgs/:orgId/usage');
  });

  it('says of every route who may use it', () => {
    const silent = routes.filter(({ anonymous, permission }) => !anonymous && permission === undefined);
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it('lets nobody in without a credential but to these', () => {
    const open = routes.filter(({ anonymous }) => anonymous).map(({ name }) => name);
    expect(open.filter((name) => !ANONYMOUS_ROUTES.includes(name))).toEqual([]);
  });

  it('takes all data of organisations from paths the guard checks', () => {
    const crossOrg = new Set([
      'platform:read',
      'ingestion:admin',
      'audit:read',
      'keys:admin',
      'events:write',
    ]);
    const unscoped = routes.filter(
      ({ path, permission }) => permission !== undefined && !path.includes(':orgId'),
    );
    expect(unscoped.filter(({ permission }) => !crossOrg.has(permission ?? ''))).toEqual([]);
  });

  describe('in its OpenAPI document', () => {
    interface Operation {
      readonly operationId: string;
      readonly security?: object[];
      readonly responses: Record<string, { content?: object }>;
    }

    function operations(): { path: string; operation: Operation }[] {
      return Object.entries(document.paths).flatMap(([path, item]) =>
        Object.values(item).map((operation) => ({ path, operation: operation as Operation })),
      );
    }

    it('shows every route but the metrics', () => {
      expect(operations()).toHaveLength(routes.length - 1);
    });

    it('tells the credentials and the problems of every route that needs a credential', () => {
      const secured = operations().filter(({ operation }) => operation.security);
      expect(secured).toHaveLength(routes.filter(({ permission }) => permission !== undefined).length);
      for (const { path, operation } of secured) {
        const problems = path.includes('{orgId}') ? ['401', '403', '404', '503'] : ['401', '403', '503'];
        expect({ path, statuses: Object.keys(operation.responses) }).toEqual({
          path,
          statuses: expect.arrayContaining(problems),
        });
        expect(operation.security).toEqual(expect.arrayContaining([{ bearer: [] }, { apiKey: [] }]));
        expect(operation.responses['401']?.content).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemModel' } },
        });
      }
    });

    it('has an own operation id for each operation', () => {
      const ids = operations().map(({ operation }) => operation.operationId);
      expect(new Set(ids).size).toBe(ids.length);
    });

    it('publishes the schema that validates usage events', () => {
      expect(document.components?.schemas?.['UsageEvent']).toMatchObject({
        type: 'object',
        required: expect.arrayContaining(['eventId', 'orgId']),
      });
    });

    it('refers to nothing that it does not define', () => {
      const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
      const defined = Object.keys(document.components?.schemas ?? {});
      expect(references.map(([, name]) => name).filter((name) => !defined.includes(name ?? ''))).toEqual([]);
    });
  });
});
