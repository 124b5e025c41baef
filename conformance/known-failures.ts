import type { Result } from './run-client.ts';

/** A row that is known to fail. The list may only shrink: one that passes again fails the run until it is taken out. */
export interface KnownFailure {
  /** Id of the client, or its beginning. */
  readonly client: string;
  readonly operation: string;
  /** Why it fails, and why that is not (yet) cured. */
  readonly reason: string;
}

export const KNOWN_FAILURES: readonly KnownFailure[] = [];

/** The known failure that covers a result, if any. */
export function knownFailure(result: Result): KnownFailure | undefined {
  return KNOWN_FAILURES.find((known) => known.operation === result.operation && result.client.startsWith(known.client));
}
