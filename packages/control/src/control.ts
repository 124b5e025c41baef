import type { AddressInfo } from 'node:net';
import { AtollError, type NodeApi, newSandboxToken, type RoutePublisher } from '@atoll/contract';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { Authenticator } from './auth/authenticate.ts';
import { RateLimiter } from './auth/rate-limit.ts';
import { SandboxTokens } from './auth/secrets.ts';
import { makeApiServer } from './http/api-server.ts';
import { Binder } from './http/bind.ts';
import { sendError } from './http/errors.ts';
import { type ControlLimits, DEFAULT_LIMITS } from './limits.ts';
import { NodeStatus } from './nodes/node-status.ts';
import { bindDocuments } from './routes/documents.ts';
import { bindKeys } from './routes/keys.ts';
import { bindNodes } from './routes/nodes.ts';
import { bindObservations } from './routes/observations.ts';
import { bindRefused } from './routes/refused.ts';
import { bindSandboxLists } from './routes/sandbox-lists.ts';
import { bindSandboxes } from './routes/sandboxes.ts';
import { bindTeams } from './routes/teams.ts';
import { bindTemplates } from './routes/templates.ts';
import type { SandboxContext } from './sandboxes/context.ts';
import { SandboxCreator } from './sandboxes/create.ts';
import { Deadlines } from './sandboxes/deadlines.ts';
import { SandboxEnder } from './sandboxes/end.ts';
import { IdempotentCreates } from './sandboxes/idempotency.ts';
import { reconcile } from './sandboxes/reconcile.ts';
import { Upkeep } from './sandboxes/upkeep.ts';
import { SandboxViews } from './sandboxes/views.ts';
import { type Seed, seedStore } from './seed.ts';
import type { Store } from './store/store.ts';
import { TemplateCatalogue } from './templates/catalogue.ts';

export interface ControlOptions {
  /** Not closed by control. */
  readonly store: Store;
  readonly node: NodeApi;
  readonly routes: RoutePublisher;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Base domain of sandbox addresses; absent: clients use the sandbox URL. */
  readonly domain?: string;
  /** Where the edge is reached; named in texts for people. */
  readonly sandboxUrl: string;
  /** What differs from {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<ControlLimits>;
  /** Secures sandboxes of the first create route too, whatever their creator says. Default: false. */
  readonly alwaysSecure?: boolean;
  /** The first credentials; generated where absent. */
  readonly seedApiKey?: string;
  readonly seedAccessToken?: string;
  /** What operators send in X-Admin-Token; absent: nobody is one. */
  readonly adminToken?: string;
  readonly version: string;
  readonly logger: Logger;
}

/** The API, serving. */
export interface Control {
  readonly url: string;
  readonly seed: Seed;
  /** Stops serving, undoes creates under way and waits for what is being ended. Sandboxes run on. */
  close(): Promise<void>;
}

const TOKEN_SECRET_SETTING = 'sandbox_token_secret';

/** Repairs the store by what runs, then serves the API. */
export async function openControl(options: ControlOptions): Promise<Control> {
  const { store, node, routes, logger } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const seed = await seedStore(store, {
    ...(options.seedApiKey !== undefined && { apiKey: options.seedApiKey }),
    ...(options.seedAccessToken !== undefined && { accessToken: options.seedAccessToken }),
  });
  const tokens = new SandboxTokens(await store.settings.getOrMake(TOKEN_SECRET_SETTING, newSandboxToken));
  const nodeStatus = await NodeStatus.load(store.settings);

  const closing = new AbortController();
  const deadlines = new Deadlines((sandboxId) => ender.expire(sandboxId));
  const context: SandboxContext = {
    store,
    node,
    routes,
    limits,
    tokens,
    templates: new TemplateCatalogue(node, store.templateUsage, logger),
    deadlines,
    views: new SandboxViews(tokens, options.domain),
    logger,
    closing: closing.signal,
  };
  const ender = new SandboxEnder(context);
  const stopListening = node.onDeath((death) => ender.died(death));
  const upkeep = new Upkeep(context, ender);
  const server = makeApiServer({ logger, maxBodyBytes: limits.maxBodyBytes });
  const close = async () => {
    closing.abort();
    await upkeep.close();
    await closeServer(server);
    // From here on nobody sets deadlines any more; what came due meanwhile is carried out first.
    deadlines.close();
    await ender.settle();
    stopListening();
  };
  try {
    await reconcile(context, ender, { atStart: true });
    bindRoutes(server, { options, context, ender, nodeStatus, seed });
    await server.listen({ host: options.host, port: options.port });
  } catch (error) {
    await close();
    throw error;
  }
  const address = server.server.address() as AddressInfo;
  return { url: `http://${urlHost(options.host)}:${address.port}`, seed, close };
}

/** Everything that is served. */
function bindRoutes(
  server: FastifyInstance,
  parts: {
    options: ControlOptions;
    context: SandboxContext;
    ender: SandboxEnder;
    nodeStatus: NodeStatus;
    seed: Seed;
  },
): void {
  const { options, context, ender, nodeStatus, seed } = parts;
  const { store, node, limits } = context;
  const authenticator = new Authenticator(store, options.adminToken);
  const binder = new Binder(server, authenticator, new RateLimiter(), limits.requestRate);
  const creator = new SandboxCreator(context, ender, nodeStatus);
  bindHealth(server, context.closing);
  bindDocuments(server, options.version);
  bindSandboxLists(binder, context);
  bindSandboxes(binder, {
    context,
    creator,
    ender,
    idempotent: new IdempotentCreates(context, creator),
    alwaysSecure: options.alwaysSecure ?? false,
  });
  bindObservations(binder, context);
  bindTemplates(binder, context.templates, store);
  bindTeams(binder, store, seed);
  bindKeys(binder, store, authenticator);
  bindNodes(binder, { node, status: nodeStatus, store, ender, version: options.version });
  bindRefused(binder, store);
}

/** 200 while serving, 503 while stopping. */
function bindHealth(server: FastifyInstance, closing: AbortSignal): void {
  server.get('/health', async (_request, reply) => {
    if (closing.aborted) return sendError(reply, new AtollError('shutting_down', 'The server is stopping.'));
    return reply.type('text/plain; charset=utf-8').send('OK');
  });
}

/** How long requests under way may take to finish once control closes. */
const CLOSE_GRACE_MS = 5000;

async function closeServer(server: FastifyInstance): Promise<void> {
  const force = setTimeout(() => server.server.closeAllConnections(), CLOSE_GRACE_MS);
  try {
    await server.close();
  } finally {
    clearTimeout(force);
  }
}

/** A host to connect to for one to listen on. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
