import Type, { type Static } from 'typebox';
import { operation } from './operation.ts';
import { nullable, Paging, Timestamp, Uuid } from './values.ts';

const tag = 'templates';

/** A user as answers name it. */
export const UserView = Type.Object({ id: Uuid, email: nullable<string>({ type: 'string' }) });

export const Template = Type.Object({
  templateID: Type.String(),
  buildID: Uuid,
  cpuCount: Type.Integer(),
  memoryMB: Type.Integer(),
  diskSizeMB: Type.Integer(),
  public: Type.Boolean(),
  aliases: Type.Array(Type.String()),
  names: Type.Array(Type.String()),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  createdBy: nullable<Static<typeof UserView>>(UserView),
  lastSpawnedAt: nullable<string>(Timestamp),
  spawnCount: Type.Integer(),
  buildCount: Type.Integer(),
  envdVersion: Type.String(),
  buildStatus: Type.String(),
  isDefault: Type.Boolean(),
});
export type Template = Static<typeof Template>;

export const TemplateBuild = Type.Object({
  buildID: Uuid,
  status: Type.String(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  finishedAt: Type.Optional(Timestamp),
  cpuCount: Type.Integer(),
  memoryMB: Type.Integer(),
  diskSizeMB: Type.Optional(Type.Integer()),
  envdVersion: Type.Optional(Type.String()),
});
export type TemplateBuild = Static<typeof TemplateBuild>;

export const TemplateWithBuilds = Type.Object({
  ...Template.properties,
  builds: Type.Array(TemplateBuild),
});

const list = { 200: { description: 'Templates.', schema: Type.Array(Template) } };
const teamID = Type.Optional(Type.String());

/** Looking at templates. */
export const templateOperations = {
  list: operation({
    id: 'listTemplatesV1',
    method: 'get',
    path: '/templates',
    tag,
    summary: 'List all templates.',
    access: 'team',
    query: Type.Object({ teamID }),
    answers: list,
  }),
  listPaged: operation({
    id: 'listTemplates',
    method: 'get',
    path: '/v2/templates',
    tag,
    summary: 'List templates, paged.',
    access: 'team',
    query: Type.Object({ teamID, ...Paging }),
    answers: list,
  }),
  listDefaults: operation({
    id: 'listDefaultTemplates',
    method: 'get',
    path: '/default-templates',
    tag,
    summary: 'List the built-in templates.',
    access: 'team',
    answers: list,
  }),
  alias: operation({
    id: 'getTemplateByAlias',
    method: 'get',
    path: '/templates/aliases/{alias}',
    tag,
    summary: 'Find out which template an alias names.',
    access: 'team',
    params: Type.Object({ alias: Type.String() }),
    answers: {
      200: { description: 'It exists.', schema: Type.Object({ templateID: Type.String(), public: Type.Boolean() }) },
    },
  }),
  get: operation({
    id: 'getTemplate',
    method: 'get',
    path: '/templates/{templateID}',
    tag,
    summary: 'Look at one template and its builds.',
    access: 'team',
    params: Type.Object({ templateID: Type.String() }),
    query: Type.Object(Paging),
    answers: { 200: { description: 'The template.', schema: TemplateWithBuilds } },
  }),
};
