import { createHash, timingSafeEqual } from 'node:crypto';
import type { SandboxAddress, SandboxRoute } from '@atoll/contract';
import { ENVD_PORT } from '@atoll/contract';
import type { RequestHead } from './exchange.ts';
import { fieldValue } from './header-fields.ts';
import { isInternalEnvdPath } from './internal-path.ts';
import type { Refusal } from './refusal.ts';
import { portDenied, reservedPath, trafficTokenInvalid, trafficTokenMissing } from './refusal.ts';

/** Decides whether a request may go to this port of the sandbox; undefined when it may. */
export function refuseAccess(head: RequestHead, address: SandboxAddress, route: SandboxRoute): Refusal | undefined {
  const { port, sandboxId } = address;
  if (port === ENVD_PORT && isInternalEnvdPath(head.target)) return reservedPath(head.target.split('?', 1)[0] ?? '');
  const denied = route.ports.some((rule) => rule.port === port && rule.protocol === 'tcp' && rule.access === 'deny');
  if (denied) return portDenied(address);
  // envd has a token of its own.
  if (route.allowPublicTraffic || port === ENVD_PORT) return undefined;
  const token = fieldValue(head.headers, 'e2b-traffic-access-token') ?? '';
  if (token === '') return trafficTokenMissing(sandboxId);
  const expected = route.trafficAccessToken ?? '';
  return expected !== '' && sameSecret(token, expected) ? undefined : trafficTokenInvalid(sandboxId);
}

/** Compares in a time that tells nothing about where the texts differ. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
