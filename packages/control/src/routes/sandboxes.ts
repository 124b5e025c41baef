import { AtollError } from '@atoll/contract';
import { sandboxOperations } from '@atoll/contract/rest';
import type { Answered, Binder } from '../http/bind.ts';
import type { SandboxContext } from '../sandboxes/context.ts';
import type { SandboxCreator } from '../sandboxes/create.ts';
import { readCreateRequest } from '../sandboxes/create-request.ts';
import type { SandboxEnder } from '../sandboxes/end.ts';
import { findSandbox, notFound } from '../sandboxes/find.ts';
import type { IdempotentCreates } from '../sandboxes/idempotency.ts';
import { connectSandbox, refreshSandbox, setSandboxTimeout, updateSandboxNetwork } from '../sandboxes/lifetime.ts';

const DEFAULT_CONNECT_SECONDS = 300;
const DONE: Answered = { status: 204 };

interface SandboxServices {
  readonly context: SandboxContext;
  readonly creator: SandboxCreator;
  readonly idempotent: IdempotentCreates;
  readonly ender: SandboxEnder;
  readonly alwaysSecure: boolean;
}

/** Create, look, extend, change and end. */
export function bindSandboxes(binder: Binder, services: SandboxServices): void {
  const { context, ender } = services;
  const { store, views, limits } = context;
  const operations = sandboxOperations;
  const createRate = { name: 'create', limit: limits.createRate };

  for (const [operation, version] of [
    [operations.create, 'v2'],
    [operations.createV1, 'v1'],
  ] as const) {
    binder.bind(
      operation,
      async ({ team, body, header, abandoned }) => {
        const { alwaysSecure, creator, idempotent } = services;
        const request = readCreateRequest(body, { version, alwaysSecure, limits });
        const key = header('Idempotency-Key');
        const record = key
          ? await idempotent.create(team.teamId, request, key)
          : await creator.create({ teamId: team.teamId, request }, abandoned());
        return { status: 201, body: views.sandbox(record) };
      },
      createRate,
    );
  }
  binder.bind(operations.get, async ({ team, params }) => {
    const record = await findSandbox(store, team.teamId, params.sandboxID);
    return { status: 200, body: views.detail(record) };
  });
  binder.bind(operations.kill, async ({ team, params }) => {
    const { sandboxId } = await findSandbox(store, team.teamId, params.sandboxID);
    if (!(await ender.kill(sandboxId, 'killed'))) {
      throw notFound(sandboxId, (await store.sandboxes.get(sandboxId))?.end);
    }
    return DONE;
  });

  for (const operation of [operations.connect, operations.connectV1]) {
    binder.bind(operation, async ({ team, params, body }) => {
      const seconds = body.timeout ?? DEFAULT_CONNECT_SECONDS;
      const record = await connectSandbox(context, team.teamId, params.sandboxID, seconds);
      return { status: 200, body: views.sandbox(record) };
    });
  }
  binder.bind(operations.resume, async ({ team, params }) => {
    const record = await findSandbox(store, team.teamId, params.sandboxID);
    throw new AtollError('conflict', `Sandbox "${record.sandboxId}" is already running.`);
  });
  binder.bind(operations.setTimeout, async ({ team, params, body }) => {
    await setSandboxTimeout(context, team.teamId, params.sandboxID, body.timeout);
    return DONE;
  });
  binder.bind(operations.refresh, async ({ team, params, body }) => {
    await refreshSandbox(context, team.teamId, params.sandboxID, body.duration);
    return DONE;
  });
  binder.bind(operations.updateNetwork, async ({ team, params, body }) => {
    await updateSandboxNetwork(context, team.teamId, params.sandboxID, body);
    return DONE;
  });
}
