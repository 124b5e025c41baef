import { AtollError, type BuildSummary, type Resources, type SandboxSpec } from '@atoll/contract';
import type { NodeStatus } from '../nodes/node-status.ts';
import type { CatalogueTemplate } from '../templates/catalogue.ts';
import type { SandboxContext } from './context.ts';
import { type CreateRequest, chooseResources } from './create-request.ts';
import type { SandboxEnder } from './end.ts';
import { egressPolicy } from './network-settings.ts';
import type { SandboxRecord } from './record.ts';
import { type StartInterruption, StartSignal } from './start-signal.ts';

/** One create as control carries it out. */
export interface CreateOrder {
  readonly teamId: string;
  readonly request: CreateRequest;
  readonly idempotency?: { readonly key: string; readonly hash: string };
}

/** Creates sandboxes, one method for each step, in the order of {@link SandboxCreator.create}. */
export class SandboxCreator {
  readonly #context: SandboxContext;
  readonly #ender: SandboxEnder;
  readonly #nodeStatus: NodeStatus;
  /** Creates of each team that passed the limit's check and have no row yet. */
  readonly #beginning = new Map<string, number>();

  constructor(context: SandboxContext, ender: SandboxEnder, nodeStatus: NodeStatus) {
    this.#context = context;
    this.#ender = ender;
    this.#nodeStatus = nodeStatus;
  }

  /** Returns the running sandbox, or undoes everything and throws. `abandoned`: the caller went away. */
  async create(order: CreateOrder, abandoned?: AbortSignal): Promise<SandboxRecord> {
    const { templates, limits, closing } = this.#context;
    const { template, build } = await templates.resolve(order.request.template);
    const resources = chooseResources(order.request.wanted, build, limits);
    this.#nodeStatus.assertTakesSandboxes();

    const interruption = new StartSignal({ timeoutMs: limits.startTimeoutMs, closing, abandoned });
    let starting: SandboxRecord | undefined;
    try {
      starting = await this.#reserve(order, { template, build, resources }, interruption.signal);
      return await this.#start(starting, order.request, interruption.signal);
    } catch (error) {
      const cause = startError(error, interruption.cause);
      if (starting !== undefined) await this.#ender.undoStart(starting.sandboxId, cause);
      throw cause;
    } finally {
      interruption.close();
    }
  }

  /** Takes a place within the team's limit, a name from the node, and writes the row. */
  async #reserve(
    order: CreateOrder,
    chosen: { template: CatalogueTemplate; build: BuildSummary; resources: Resources },
    signal: AbortSignal,
  ): Promise<SandboxRecord> {
    const { template, build, resources } = chosen;
    const release = await this.#takePlace(order.teamId);
    try {
      const { sandboxId } = await this.#context.node.reserve({ buildId: build.buildId, resources }, signal);
      const now = Date.now();
      const starting: SandboxRecord = {
        sandboxId,
        teamId: order.teamId,
        templateId: template.templateId,
        buildId: build.buildId,
        alias: template.aliases[0],
        envdVersion: build.envdVersion,
        state: 'starting',
        startedAt: now,
        endAt: now + order.request.timeoutSeconds * 1000,
        resources,
        secure: order.request.secure,
        metadata: order.request.metadata,
        network: order.request.network,
        address: undefined,
        lifecycleId: undefined,
        end: undefined,
        idempotency: order.idempotency,
      };
      await this.#insert(starting);
      return starting;
    } finally {
      release();
    }
  }

  /** Counts the create towards the team's limit until its row does; returns how to stop counting it. */
  async #takePlace(teamId: string): Promise<() => void> {
    const beginning = this.#beginning.get(teamId) ?? 0;
    this.#beginning.set(teamId, beginning + 1);
    const release = () => {
      const left = (this.#beginning.get(teamId) ?? 1) - 1;
      if (left > 0) this.#beginning.set(teamId, left);
      else this.#beginning.delete(teamId);
    };
    try {
      const alive = await this.#context.store.sandboxes.countAlive(teamId);
      if (alive + beginning >= this.#context.limits.maxSandboxesPerTeam) throw this.#limitReached();
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  async #insert(record: SandboxRecord): Promise<void> {
    const outcome = await this.#context.store.sandboxes.insert(record, this.#context.limits.maxSandboxesPerTeam);
    if (outcome === 'limit_reached') throw this.#limitReached();
    if (outcome === 'idempotency_key_taken') {
      throw new AtollError('idempotency_in_progress', 'A request with this Idempotency-Key is still being served.');
    }
  }

  async #start(starting: SandboxRecord, request: CreateRequest, signal: AbortSignal): Promise<SandboxRecord> {
    const { store, node, routes, tokens, views, deadlines, templates } = this.#context;
    const spec: SandboxSpec = {
      sandboxId: starting.sandboxId,
      teamId: starting.teamId,
      templateId: starting.templateId,
      buildId: starting.buildId,
      resources: starting.resources,
      envVars: request.envVars,
      ...(starting.secure && { envdAccessToken: tokens.envd(starting.sandboxId) }),
      egress: egressPolicy(starting.network),
    };
    const { address, lifecycleId } = await node.start(spec, signal);
    signal.throwIfAborted();
    const startedAt = Date.now();
    const endAt = startedAt + request.timeoutSeconds * 1000;
    const running = await store.sandboxes.transition(starting.sandboxId, 'running', {
      from: ['starting'],
      address,
      lifecycleId,
      startedAt,
      endAt,
    });
    if (running === undefined) {
      const ended = await store.sandboxes.get(starting.sandboxId);
      throw new AtollError('sandbox_create_failed', `The sandbox ended while it started: ${ended?.end?.detail ?? ''}`);
    }
    const route = views.route(running);
    if (route !== undefined) routes.publish(route);
    deadlines.set(running.sandboxId, endAt);
    templates.countUse(running.teamId, running.templateId, startedAt);
    return running;
  }

  #limitReached(): AtollError {
    return new AtollError(
      'sandbox_limit_reached',
      `The team has reached the maximum number of concurrent sandboxes (${this.#context.limits.maxSandboxesPerTeam}). Kill one, or raise the limit in the server's settings.`,
    );
  }
}

/** The error a caller gets for whatever ended a start. */
function startError(error: unknown, interruption: StartInterruption | undefined): AtollError {
  switch (interruption) {
    case 'server_closing':
      return new AtollError('shutting_down', 'The server is stopping; nothing was created.', { cause: error });
    case 'client_gone':
      return new AtollError('sandbox_create_failed', 'The client went away before the sandbox was ready.', {
        cause: error,
      });
    case 'took_too_long':
      return new AtollError('sandbox_placement_timeout', 'The sandbox did not start in time and was removed.', {
        cause: error,
      });
    default:
      if (error instanceof AtollError) return error;
      return new AtollError('sandbox_create_failed', 'The sandbox could not be started; the server log tells why.', {
        cause: error,
      });
  }
}
