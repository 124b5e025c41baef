import type { Agent } from 'node:http';
import type { SandboxAddress, SandboxRoute } from '@atoll/contract';
import { ENVD_PORT } from '@atoll/contract';
import type { Logger } from 'pino';
import { refuseAccess } from './access.ts';
import { refuse } from './answer.ts';
import { ConnectFailure } from './connect.ts';
import { type Addressing, resolveDestination } from './destination.ts';
import type { Exchange, RequestHead } from './exchange.ts';
import { forward } from './forward.ts';
import { apiHeaders, guestHeaders } from './guest-request.ts';
import type { EdgeLimits } from './options.ts';
import type { Refusal } from './refusal.ts';
import * as refusals from './refusal.ts';
import type { SandboxLife, SandboxLives } from './upstream.ts';

/** What every request needs, made once. */
export interface GatewayContext {
  readonly addressing: Addressing;
  readonly lives: SandboxLives;
  readonly limits: EdgeLimits;
  readonly api: { readonly address: string; readonly port: number; readonly agent: Agent } | undefined;
  readonly logger: Logger;
}

/** A request that may go to its sandbox. */
export interface Admission {
  readonly address: SandboxAddress;
  readonly route: SandboxRoute;
  readonly life: SandboxLife;
}

/** Finds the sandbox of a request and checks everything that is checked before a connection is made. */
export function admit(head: RequestHead, context: GatewayContext): Admission | Refusal | 'api' {
  const destination = resolveDestination(head, context.addressing);
  if (destination.kind === 'refused') return destination.refusal;
  if (destination.kind === 'api') return 'api';
  const { address } = destination;
  const route = context.addressing.routes.get(address.sandboxId);
  if (route === undefined) return refusals.sandboxNotFound(address.sandboxId);
  const denied = refuseAccess(head, address, route);
  if (denied !== undefined) return denied;
  const life = context.lives.of(route);
  const { connectionsPerSandbox } = context.limits;
  if (connectionsPerSandbox >= 0 && life.openCount >= connectionsPerSandbox) {
    return refusals.connectionLimitReached(address.sandboxId, connectionsPerSandbox);
  }
  return { address, route, life };
}

/** Serves one exchange from its first line to its end. */
export function serve(exchange: Exchange, remoteAddress: string, context: GatewayContext): void {
  const admission = admit(exchange, context);
  if (admission === 'api') {
    serveApi(exchange, remoteAddress, context);
    return;
  }
  if ('form' in admission) {
    refuse(exchange, admission);
    return;
  }
  const { address, route, life } = admission;
  const breakOff = forward(exchange, {
    agent: life.pool(poolKind(exchange.method, admission)),
    address: route.address,
    port: address.port,
    headers: guestHeaders(exchange, address, route),
    maxHeaderBytes: context.limits.headerBytes,
    onNoAnswer: (error) => refuse(exchange, explainNoAnswer(error, admission, context.logger)),
  });
  exchange.onClosed(life.enter(breakOff));
}

/**
 * Which connections a request may use. A request that must not be repeated never goes over a kept connection to a
 * program we do not know: it may have closed it a moment ago. envd keeps them longer than we do.
 */
export function poolKind(method: string, { address, route }: Admission): { tls: boolean; reuse: boolean } {
  const repeatable = method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
  return { tls: route.httpsPorts.includes(address.port), reuse: repeatable || address.port === ENVD_PORT };
}

/** Says why a sandbox gave no answer. */
export function explainNoAnswer(error: unknown, { address, life }: Admission, logger: Logger): Refusal {
  if (life.ended) return refusals.sandboxNotFound(address.sandboxId);
  if (error instanceof ConnectFailure) {
    return error.reason === 'closed' ? refusals.portNotOpen(address) : refusals.sandboxSilent(address);
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.startsWith('ERR_INVALID_') || code === 'ERR_UNESCAPED_CHARACTERS') {
    return refusals.malformedRequest('characters that HTTP/1.1 does not allow');
  }
  logger.debug({ err: error, ...address }, 'a sandbox gave no answer');
  return refusals.answerBroken(address);
}

function serveApi(exchange: Exchange, remoteAddress: string, context: GatewayContext): void {
  const { api, limits, logger } = context;
  if (api === undefined) {
    refuse(exchange, refusals.apiUnreachable());
    return;
  }
  forward(exchange, {
    agent: api.agent,
    address: api.address,
    port: api.port,
    headers: apiHeaders(exchange, remoteAddress),
    maxHeaderBytes: limits.headerBytes,
    onNoAnswer: (error) => {
      logger.warn({ err: error }, 'the API gave no answer');
      refuse(exchange, refusals.apiUnreachable());
    },
  });
}
