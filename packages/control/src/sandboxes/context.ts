import type { NodeApi, RoutePublisher } from '@atoll/contract';
import type { Logger } from 'pino';
import type { SandboxTokens } from '../auth/secrets.ts';
import type { ControlLimits } from '../limits.ts';
import type { Store } from '../store/store.ts';
import type { TemplateCatalogue } from '../templates/catalogue.ts';
import type { Deadlines } from './deadlines.ts';
import type { SandboxViews } from './views.ts';

/** What everything that handles sandboxes works with. */
export interface SandboxContext {
  readonly store: Store;
  readonly node: NodeApi;
  readonly routes: RoutePublisher;
  readonly limits: ControlLimits;
  readonly tokens: SandboxTokens;
  readonly templates: TemplateCatalogue;
  readonly deadlines: Deadlines;
  readonly views: SandboxViews;
  readonly logger: Logger;
  /** Aborted when control closes. */
  readonly closing: AbortSignal;
}
