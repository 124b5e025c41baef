import { AtollError } from '@atoll/contract';
import { operation, refusedOperations } from '@atoll/contract/rest';
import type { Binder } from '../http/bind.ts';
import { findSandbox } from '../sandboxes/find.ts';
import type { Store } from '../store/store.ts';

/** Operations that are known and refused; where they name a sandbox, one that is not there is said to be not there. */
export function bindRefused(binder: Binder, store: Store): void {
  for (const refused of refusedOperations) {
    const described = operation({
      id: `${refused.method} ${refused.path}`,
      method: refused.method,
      path: refused.path,
      tag: refused.error,
      summary: refused.message,
      access: refused.access,
      answers: {},
    });
    binder.bind(described, async ({ principal, params }) => {
      const { sandboxID } = params as { readonly sandboxID?: string };
      if (sandboxID !== undefined && principal.team !== undefined) {
        await findSandbox(store, principal.team.teamId, sandboxID);
      }
      throw new AtollError(refused.error, refused.message);
    });
  }
}
