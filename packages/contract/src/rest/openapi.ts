import type { TObject, TSchema } from 'typebox';
import { keyOperations } from './keys.ts';
import { refusedOperations } from './later.ts';
import { nodeOperations } from './nodes.ts';
import { observationOperations } from './observations.ts';
import type { Access, Operation } from './operation.ts';
import { sandboxOperations } from './sandboxes.ts';
import { teamOperations } from './teams.ts';
import { templateOperations } from './templates.ts';
import { ErrorBody } from './values.ts';

/** All operations that are served, in the order of the document. */
export const allOperations: readonly Operation[] = [
  ...Object.values(sandboxOperations),
  ...Object.values(observationOperations),
  ...Object.values(templateOperations),
  ...Object.values(teamOperations),
  ...Object.values(keyOperations),
  ...Object.values(nodeOperations),
] as readonly Operation[];

const SECURITY: Readonly<Record<Access, readonly Record<string, readonly string[]>[]>> = {
  none: [],
  team: [{ apiKey: [] }, { accessToken: [] }, { adminToken: [], teamID: [] }],
  user: [{ accessToken: [] }],
  'user-team': [
    { accessToken: [], teamID: [] },
    { adminToken: [], teamID: [] },
  ],
  admin: [{ adminToken: [] }],
};

interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: object;
}

/** One operation of the document. */
export interface OpenApiOperation {
  readonly operationId?: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly deprecated?: boolean;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly OpenApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Record<string, { schema: TSchema }> };
  readonly responses: Readonly<Record<string, object>>;
}

export interface OpenApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly schema: TSchema;
}

/** Writes the OpenAPI document of the API. `url`: where the reader finds the server. */
export function openApiDocument(version: string, url: string): OpenApiDocument {
  const paths: Record<string, Record<string, OpenApiOperation>> = {};
  const add = (path: string, method: string, description: OpenApiOperation) => {
    const entry = paths[path] ?? {};
    entry[method] = description;
    paths[path] = entry;
  };
  for (const served of allOperations) add(served.path, served.method, describe(served));
  for (const refused of refusedOperations) {
    add(refused.path, refused.method, {
      tags: [refused.error === 'gone' ? 'gone' : 'not implemented'],
      summary: refused.message,
      security: SECURITY[refused.access],
      parameters: pathNames(refused.path).map((name) => ({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
      responses: { [refused.error === 'gone' ? 410 : 501]: errorAnswer(refused.message) },
    });
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Atoll', version, description: 'Sandboxes on your own machines, for the clients you have.' },
    servers: [{ url }],
    paths,
    components: {
      schemas: { Error: ErrorBody },
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        accessToken: { type: 'http', scheme: 'bearer' },
        teamID: { type: 'apiKey', in: 'header', name: 'X-Team-ID' },
        adminToken: { type: 'apiKey', in: 'header', name: 'X-Admin-Token' },
      },
    },
  };
}

function describe(served: Operation): OpenApiOperation {
  const responses: Record<string, object> = {};
  for (const [status, answer] of Object.entries(served.answers)) {
    responses[status] = {
      description: answer.description,
      ...(answer.schema && { content: { 'application/json': { schema: answer.schema } } }),
    };
  }
  responses.default = errorAnswer('An error.');
  const body = served.body as TObject | undefined;
  return {
    operationId: served.id,
    tags: [served.tag],
    summary: served.summary,
    ...(served.deprecated && { deprecated: true }),
    security: SECURITY[served.access],
    parameters: [...parameters('path', served.params), ...parameters('query', served.query)],
    ...(body && {
      requestBody: {
        required: (body.required ?? []).length > 0,
        content: { 'application/json': { schema: body } },
      },
    }),
    responses,
  };
}

function parameters(place: 'path' | 'query', schema: TObject): OpenApiParameter[] {
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    in: place,
    required: (schema.required as readonly string[] | undefined)?.includes(name) ?? false,
    schema: property as TSchema,
  }));
}

function errorAnswer(description: string): object {
  return { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
}

function pathNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}
