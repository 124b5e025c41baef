import { AtollError } from '@atoll/contract';
import type { SandboxContext } from './context.ts';
import { checkTimeout } from './create-request.ts';
import { findSandbox, notFound } from './find.ts';
import { egressPolicy, updateNetwork } from './network-settings.ts';
import type { SandboxRecord } from './record.ts';

/** Extends the life of a running sandbox to at least `seconds` from now; never shortens it. */
export async function connectSandbox(
  context: SandboxContext,
  teamId: string,
  reference: string,
  seconds: number,
): Promise<SandboxRecord> {
  if (seconds < 0) throw new AtollError('invalid_request', 'validation error: timeout must not be negative');
  checkTimeout(seconds, context.limits);
  return setDeadline(context, teamId, reference, seconds, { onlyLater: true });
}

/** Sets the end of a running sandbox to `seconds` from now, sooner or later than it was. */
export async function setSandboxTimeout(
  context: SandboxContext,
  teamId: string,
  reference: string,
  seconds: number,
): Promise<void> {
  await setDeadline(context, teamId, reference, seconds, { onlyLater: false });
}

/** The least that a refresh extends by, and what it extends by when it names nothing. */
const MIN_REFRESH_SECONDS = 15;

export async function refreshSandbox(
  context: SandboxContext,
  teamId: string,
  reference: string,
  seconds = MIN_REFRESH_SECONDS,
): Promise<void> {
  await setDeadline(context, teamId, reference, Math.max(MIN_REFRESH_SECONDS, seconds), { onlyLater: true });
}

async function setDeadline(
  context: SandboxContext,
  teamId: string,
  reference: string,
  seconds: number,
  options: { onlyLater: boolean },
): Promise<SandboxRecord> {
  const record = await findSandbox(context.store, teamId, reference);
  // The longest life counts from the start, whatever is asked for later.
  const latest = record.startedAt + context.limits.maxTimeoutSeconds * 1000;
  const endAt = Math.min(Date.now() + seconds * 1000, latest);
  const changed = await context.store.sandboxes.setDeadline(record.sandboxId, endAt, options);
  if (changed === undefined) throw await notRunning(context, teamId, record.sandboxId);
  context.deadlines.set(changed.sandboxId, changed.endAt);
  return changed;
}

/** Replaces what a running sandbox may reach: on the node first, so that an answer of success means it is in force. */
export async function updateSandboxNetwork(
  context: SandboxContext,
  teamId: string,
  reference: string,
  update: Parameters<typeof updateNetwork>[1],
): Promise<void> {
  const record = await findSandbox(context.store, teamId, reference);
  if (record.state !== 'running') throw await notRunning(context, teamId, record.sandboxId);
  const network = updateNetwork(record.network, update);
  await context.node.updateEgress(record.sandboxId, egressPolicy(network));
  const changed = await context.store.sandboxes.setNetwork(record.sandboxId, network);
  if (changed === undefined) throw await notRunning(context, teamId, record.sandboxId);
  const route = context.views.route(changed);
  if (route !== undefined) context.routes.publish(route);
}

/** Why something that needs a running sandbox cannot be done: it has ended meanwhile, or is in another state. */
async function notRunning(context: SandboxContext, teamId: string, sandboxId: string): Promise<AtollError> {
  const record = await context.store.sandboxes.get(sandboxId);
  if (record === undefined || record.teamId !== teamId || record.end || record.state === 'killing') {
    return notFound(sandboxId, record?.end);
  }
  return new AtollError('conflict', `Sandbox "${sandboxId}" is ${record.state}, not running.`);
}
