import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { SchemaObject } from '@nestjs/swagger/dist/interfaces/open-api-spec.interface';
import { usageEventSchema } from '../../shared/usage-event/usage-event.schema';

export const API_VERSION = '1.0.0';

/** The OpenAPI document of the routes that the application has. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const document = SwaggerModule.createDocument(
    app,
    new DocumentBuilder()
      .setTitle('Usage analytics')
      .setDescription(
        'What was used, what it cost, how reliable and fast it was, how fresh and complete the answer is.',
      )
      .setVersion(API_VERSION)
      .addBearerAuth()
      .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key' }, 'apiKey')
      .build(),
    { operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}` },
  );
  const { $id: _id, ...schema } = usageEventSchema;
  const schemas = { ...document.components?.schemas, UsageEvent: schema as unknown as SchemaObject };
  return { ...document, components: { ...document.components, schemas } };
}

/** The document as `docs/openapi.json` holds it. */
export function openApiText(app: INestApplication): string {
  return `${JSON.stringify(openApiDocument(app), null, 2)}\n`;
}

/** `/docs` for people, `/openapi.json` for programs. */
export function serveOpenApi(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { jsonDocumentUrl: 'openapi.json' });
}
