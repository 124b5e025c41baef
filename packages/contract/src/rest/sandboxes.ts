import Type from 'typebox';
import { operation } from './operation.ts';
import { ListedSandbox, Sandbox, SandboxDetail } from './sandbox.ts';
import { ConnectBody, CreateBody, RefreshBody, ResumeBody, TimeoutBody } from './sandbox-create.ts';
import { NetworkUpdateBody } from './sandbox-network.ts';
import { OneOf, Paging } from './values.ts';

const tag = 'sandboxes';
export const SandboxParams = Type.Object({ sandboxID: Type.String() });
const params = SandboxParams;

const created = { 201: { description: 'The sandbox runs.', schema: Sandbox } };
const connected = {
  200: { description: 'It was running.', schema: Sandbox },
  201: { description: 'It was resumed.', schema: Sandbox },
};
const done = { 204: { description: 'Done.' } };
const metadata = Type.Optional(
  Type.String({ description: 'k=v&k2=v2, keys and values form-encoded; all must match exactly.' }),
);

/** What clients do with sandboxes. */
export const sandboxOperations = {
  create: operation({
    id: 'createSandbox',
    method: 'post',
    path: '/v2/sandboxes',
    tag,
    summary: 'Create a sandbox; answers when its daemon takes commands.',
    access: 'team',
    body: CreateBody,
    answers: created,
  }),
  createV1: operation({
    id: 'createSandboxV1',
    method: 'post',
    path: '/sandboxes',
    tag,
    summary: 'Create a sandbox, secured only when `secure` says so.',
    access: 'team',
    body: CreateBody,
    answers: created,
    deprecated: true,
  }),
  list: operation({
    id: 'listSandboxes',
    method: 'get',
    path: '/v2/sandboxes',
    tag,
    summary: 'List sandboxes, newest first. X-Next-Token leads to the next page, X-Total-Running counts.',
    access: 'team',
    query: Type.Object({
      metadata,
      state: Type.Optional(
        Type.Array(Type.String(), { description: 'running, paused: a comma list or repeated. Default: both.' }),
      ),
      order: Type.Optional(OneOf(['asc', 'desc'], { description: 'By startedAt. Default: desc.' })),
      startedAfter: Type.Optional(Type.String({ description: 'RFC 3339, inclusive.' })),
      template: Type.Optional(Type.String({ description: 'Id, alias or namespace/alias, without a tag.' })),
      ...Paging,
    }),
    answers: { 200: { description: 'One page.', schema: Type.Array(ListedSandbox) } },
  }),
  listV1: operation({
    id: 'listSandboxesV1',
    method: 'get',
    path: '/sandboxes',
    tag,
    summary: 'List all running sandboxes, newest first.',
    access: 'team',
    query: Type.Object({ metadata }),
    answers: { 200: { description: 'All of them.', schema: Type.Array(ListedSandbox) } },
    deprecated: true,
  }),
  get: operation({
    id: 'getSandbox',
    method: 'get',
    path: '/sandboxes/{sandboxID}',
    tag,
    summary: 'Look at one sandbox.',
    access: 'team',
    params,
    answers: { 200: { description: 'The sandbox.', schema: SandboxDetail } },
  }),
  kill: operation({
    id: 'killSandbox',
    method: 'delete',
    path: '/sandboxes/{sandboxID}',
    tag,
    summary: 'End a sandbox and remove all it had.',
    access: 'team',
    params,
    answers: done,
  }),
  connect: operation({
    id: 'connectSandbox',
    method: 'post',
    path: '/v2/sandboxes/{sandboxID}/connect',
    tag,
    summary: 'Connect to a sandbox; its life is extended, never shortened.',
    access: 'team',
    params,
    body: ConnectBody,
    answers: connected,
  }),
  connectV1: operation({
    id: 'connectSandboxV1',
    method: 'post',
    path: '/sandboxes/{sandboxID}/connect',
    tag,
    summary: 'Connect to a sandbox.',
    access: 'team',
    params,
    body: ConnectBody,
    answers: connected,
    deprecated: true,
  }),
  resume: operation({
    id: 'resumeSandbox',
    method: 'post',
    path: '/sandboxes/{sandboxID}/resume',
    tag,
    summary: 'Resume a paused sandbox.',
    access: 'team',
    params,
    body: ResumeBody,
    answers: created,
    deprecated: true,
  }),
  setTimeout: operation({
    id: 'setSandboxTimeout',
    method: 'post',
    path: '/sandboxes/{sandboxID}/timeout',
    tag,
    summary: 'Set the end of a sandbox to now + timeout.',
    access: 'team',
    params,
    body: TimeoutBody,
    answers: done,
  }),
  refresh: operation({
    id: 'refreshSandbox',
    method: 'post',
    path: '/sandboxes/{sandboxID}/refreshes',
    tag,
    summary: 'Keep a sandbox for at least this much longer.',
    access: 'team',
    params,
    body: RefreshBody,
    answers: done,
  }),
  updateNetwork: operation({
    id: 'updateSandboxNetwork',
    method: 'put',
    path: '/sandboxes/{sandboxID}/network',
    tag,
    summary: 'Replace what a running sandbox may reach; connections the new rules forbid are cut.',
    access: 'team',
    params,
    body: NetworkUpdateBody,
    answers: done,
  }),
};
