import { AtollError, type DeathReason, parseSandboxReference } from '@atoll/contract';
import type { Store } from '../store/store.ts';
import type { SandboxEnd, SandboxRecord } from './record.ts';
import { visibleState } from './states.ts';

const REASONS: Readonly<Record<DeathReason, string>> = {
  killed: 'it was killed',
  timeout: 'its time was over',
  oom: 'it ran out of memory',
  disk_full: 'its disk was full',
  crashed: 'it crashed',
  node_lost: 'its host lost it',
  start_failed: 'it could not be started',
  shutdown: 'its host was shut down',
};

/** Reads a sandbox id of a path, `<id>` or `<id>-<clientID>`. */
export function readSandboxId(text: string): string {
  const sandboxId = parseSandboxReference(text);
  if (sandboxId !== undefined) return sandboxId;
  throw new AtollError('invalid_request', `Invalid sandbox ID ${JSON.stringify(text.slice(0, 128))}.`);
}

/** The team's sandbox, if clients may see it. Throws `sandbox_not_found` that says why where it has ended. */
export async function findSandbox(store: Store, teamId: string, reference: string): Promise<SandboxRecord> {
  const record = await findWithTombstone(store, teamId, reference);
  if (visibleState(record.state) === undefined) throw notFound(record.sandboxId, record.end);
  return record;
}

/** As {@link findSandbox}, but an ended sandbox is found too. */
export async function findWithTombstone(store: Store, teamId: string, reference: string): Promise<SandboxRecord> {
  const sandboxId = readSandboxId(reference);
  const record = await store.sandboxes.get(sandboxId);
  if (record === undefined || record.teamId !== teamId) throw notFound(sandboxId);
  return record;
}

/** The error for a sandbox that is not, or no more. */
export function notFound(sandboxId: string, end?: SandboxEnd): AtollError {
  const message = `Sandbox "${sandboxId}" doesn't exist or you don't have access to it`;
  if (end === undefined) return new AtollError('sandbox_not_found', message);
  const detail = end.detail === '' ? '' : ` (${end.detail})`;
  return new AtollError(
    'sandbox_not_found',
    `${message}: it ended at ${new Date(end.at).toISOString()} because ${REASONS[end.reason]}${detail}`,
  );
}
