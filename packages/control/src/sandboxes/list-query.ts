import { AtollError } from '@atoll/contract';
import type { SandboxPage } from '../store/sandbox-store.ts';
import { type SandboxState, statesSeenAs } from './states.ts';

/** What a metadata filter asks for: `k=v&k2=v2`, in any of the encodings that clients use. */
export function readMetadataFilter(text: string): Record<string, string> {
  // Clients encode each key and value, then the pairs as a form, then the whole as one parameter. The last was undone
  // with the query; text that was encoded only once comes out the same.
  const pairs = formDecode(text).split('&');
  const wanted: [string, string][] = [];
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const [key, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
    wanted.push([formDecode(key), formDecode(value)]);
  }
  return Object.fromEntries(wanted);
}

/** Decodes `+` and percent escapes; text that is no valid encoding is taken as it is. */
function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** The states behind the `state` parameter; without one, all that clients see. */
export function readStates(names: readonly string[] | undefined): {
  states: SandboxState[];
  withRunning: boolean;
} {
  const wanted = new Set<'running' | 'paused'>();
  for (const name of names ?? ['running', 'paused']) {
    if (name !== 'running' && name !== 'paused') {
      throw new AtollError(
        'invalid_request',
        `validation error: state must be running or paused, not ${JSON.stringify(name)}`,
      );
    }
    wanted.add(name);
  }
  return { states: [...wanted].flatMap((name) => statesSeenAs(name)), withRunning: wanted.has('running') };
}

/** The opaque token of the page after this entry. */
export function pageToken(last: { startedAt: number; sandboxId: string }, order: SandboxPage['order']): string {
  const suffix = order === 'asc' ? '__asc' : '';
  return Buffer.from(`${new Date(last.startedAt).toISOString()}__${last.sandboxId}${suffix}`).toString('base64url');
}

/** Reads a page token. Throws `invalid_request` for one that is not ours or of the other order. */
export function readPageToken(token: string, order: SandboxPage['order']): NonNullable<SandboxPage['after']> {
  const parts = Buffer.from(token, 'base64url').toString('utf8').split('__');
  const [time = '', sandboxId = '', direction = 'desc'] = parts;
  const startedAt = Date.parse(time);
  if (parts.length > 3 || Number.isNaN(startedAt) || !/^[a-z0-9]+$/.test(sandboxId) || direction !== order) {
    throw new AtollError('invalid_request', 'validation error: nextToken is not one of this list');
  }
  return { startedAt, sandboxId };
}
