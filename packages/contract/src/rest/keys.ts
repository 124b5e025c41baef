import Type, { type Static } from 'typebox';
import { operation } from './operation.ts';
import { UserView } from './templates.ts';
import { nullable, Timestamp, Uuid } from './values.ts';

const tag = 'keys';

/** What may be shown of a key after its creation. */
export const KeyMask = Type.Object({
  prefix: Type.String(),
  valueLength: Type.Integer(),
  maskedValuePrefix: Type.String(),
  maskedValueSuffix: Type.String(),
});
export type KeyMask = Static<typeof KeyMask>;

const apiKeyFields = {
  id: Uuid,
  name: Type.String(),
  mask: KeyMask,
  createdAt: Timestamp,
  createdBy: nullable<Static<typeof UserView>>(UserView),
  lastUsed: nullable<string>(Timestamp),
};
export const ApiKey = Type.Object(apiKeyFields);
export type ApiKey = Static<typeof ApiKey>;

const name = Type.String({ minLength: 1, maxLength: 128 });
export const NameBody = Type.Object({ name });
const OptionalNameBody = Type.Object({ name: Type.Optional(name) });
const CreatedApiKey = Type.Object({ ...apiKeyFields, key: Type.String({ description: 'Shown this once.' }) });
const created = { 201: { description: 'The key.', schema: CreatedApiKey } };
const done = { 204: { description: 'Done.' } };
const params = Type.Object({ apiKeyID: Type.String() });

/** API keys and access tokens. */
export const keyOperations = {
  list: operation({
    id: 'listApiKeys',
    method: 'get',
    path: '/api-keys',
    tag,
    summary: "The team's API keys, masked.",
    access: 'user-team',
    answers: { 200: { description: 'The keys.', schema: Type.Array(ApiKey) } },
  }),
  create: operation({
    id: 'createApiKey',
    method: 'post',
    path: '/api-keys',
    tag,
    summary: 'Make an API key.',
    access: 'user-team',
    body: NameBody,
    answers: created,
  }),
  rename: operation({
    id: 'renameApiKey',
    method: 'patch',
    path: '/api-keys/{apiKeyID}',
    tag,
    summary: 'Rename an API key.',
    access: 'user-team',
    params,
    body: NameBody,
    answers: { 200: { description: 'The key.', schema: ApiKey } },
  }),
  remove: operation({
    id: 'deleteApiKey',
    method: 'delete',
    path: '/api-keys/{apiKeyID}',
    tag,
    summary: 'Delete an API key; it is refused from then on.',
    access: 'user-team',
    params,
    answers: done,
  }),
  createToken: operation({
    id: 'createAccessToken',
    method: 'post',
    path: '/access-tokens',
    tag,
    summary: 'Make an access token of the user.',
    access: 'user',
    body: NameBody,
    answers: {
      201: {
        description: 'The token.',
        schema: Type.Object({
          id: Uuid,
          name: Type.String(),
          token: Type.String({ description: 'Shown this once.' }),
          mask: KeyMask,
          createdAt: Timestamp,
        }),
      },
    },
  }),
  removeToken: operation({
    id: 'deleteAccessToken',
    method: 'delete',
    path: '/access-tokens/{accessTokenID}',
    tag,
    summary: 'Delete an access token.',
    access: 'user',
    params: Type.Object({ accessTokenID: Type.String() }),
    answers: done,
  }),
  adminCreate: operation({
    id: 'adminCreateApiKey',
    method: 'post',
    path: '/admin/teams/{teamID}/api-keys',
    tag: 'operators',
    summary: 'Make an API key of any team.',
    access: 'admin',
    params: Type.Object({ teamID: Type.String() }),
    body: OptionalNameBody,
    answers: created,
  }),
  adminRemove: operation({
    id: 'adminDeleteApiKey',
    method: 'delete',
    path: '/admin/teams/{teamID}/api-keys/{apiKeyID}',
    tag: 'operators',
    summary: 'Delete an API key of any team.',
    access: 'admin',
    params: Type.Object({ teamID: Type.String(), apiKeyID: Type.String() }),
    answers: done,
  }),
};
