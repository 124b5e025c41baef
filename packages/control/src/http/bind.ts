import { AtollError } from '@atoll/contract';
import type { Operation } from '@atoll/contract/rest';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static, TObject, TSchema } from 'typebox';
import type { Authenticator, Principal } from '../auth/authenticate.ts';
import type { RateLimit, RateLimiter } from '../auth/rate-limit.ts';
import type { Team, User } from '../store/team-store.ts';
import { queryReader } from './query.ts';
import { bodyValidator } from './validate.ts';

/** A request after authentication and validation. */
export interface Call<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The query as it came, for what a schema cannot say. */
  readonly rawQuery: URLSearchParams;
  readonly principal: Principal;
  /** The team asked for; throws where the operation's access speaks of none. */
  readonly team: Team;
  /** The user who asks; throws where the operation's access speaks of none. */
  readonly user: User;
  header(name: string): string | undefined;
  /** Aborted when the client goes away before it has its answer. */
  abandoned(): AbortSignal;
}

/** An answer as plain data. No body: an empty one. */
export interface Answered {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

type BodyOf<Body> = Body extends TSchema ? Static<Body> : undefined;

export type Handler<Params extends TObject, Query extends TObject, Body> = (
  call: Call<Static<Params>, Static<Query>, BodyOf<Body>>,
) => Promise<Answered>;

/** Makes routes of operations: authenticate, limit the rate, validate, then the handler. */
export class Binder {
  readonly #server: FastifyInstance;
  readonly #authenticator: Authenticator;
  readonly #limiter: RateLimiter;
  readonly #rate: RateLimit;

  constructor(server: FastifyInstance, authenticator: Authenticator, limiter: RateLimiter, rate: RateLimit) {
    this.#server = server;
    this.#authenticator = authenticator;
    this.#limiter = limiter;
    this.#rate = rate;
  }

  /** `rate`: a bucket that several operations share, with its own limit. */
  bind<Params extends TObject, Query extends TObject, Body>(
    operation: Operation<Params, Query, Body>,
    handler: Handler<Params, Query, Body>,
    rate: { name: string; limit: RateLimit } = { name: operation.id, limit: this.#rate },
  ): void {
    const readQuery = queryReader(operation.query);
    const readBody = operation.body === undefined ? () => undefined : bodyValidator(operation.body as TSchema);
    const principals = new WeakMap<FastifyRequest, Principal>();
    this.#server.route({
      method: operation.method.toUpperCase() as Uppercase<typeof operation.method>,
      url: operation.path.replace(/\{(\w+)\}/g, ':$1'),
      // Before the body is read: nobody unknown makes us read 16 MiB.
      onRequest: async (request, reply) => {
        const principal = await this.#authenticator.authenticate(operation.access, request.headers);
        principals.set(request, principal);
        this.#limit(principal, rate, reply);
      },
      handler: async (request, reply) => {
        const principal = principals.get(request) ?? { admin: false };
        const rawQuery = request.query as URLSearchParams;
        const answer = await handler({
          params: request.params as Static<Params>,
          query: readQuery(rawQuery) as Static<Query>,
          body: readBody(request.body) as BodyOf<Body>,
          rawQuery,
          principal,
          get team() {
            return required(principal.team, operation.id);
          },
          get user() {
            return required(principal.user, operation.id);
          },
          header: (name) => {
            const value = request.headers[name.toLowerCase()];
            return Array.isArray(value) ? value[0] : value;
          },
          abandoned: () => abandonment(reply),
        });
        if (answer.headers) reply.headers(answer.headers);
        return reply.code(answer.status).send(answer.body);
      },
    });
  }

  #limit(principal: Principal, rate: { name: string; limit: RateLimit }, reply: FastifyReply): void {
    const who = principal.team?.teamId ?? principal.user?.userId;
    if (who === undefined) return;
    const state = this.#limiter.take(`${who}:${rate.name}`, rate.limit);
    reply.headers({
      'ratelimit-limit': String(state.limit),
      'ratelimit-remaining': String(state.remaining),
      'ratelimit-reset': String(state.resetSeconds),
    });
  }
}

function required<Value>(value: Value | undefined, operationId: string): Value {
  if (value !== undefined) return value;
  throw new AtollError('internal_server_error', `${operationId} asks for what its access does not promise.`);
}

function abandonment(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const response = reply.raw;
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  if (response.destroyed) controller.abort();
  return controller.signal;
}
