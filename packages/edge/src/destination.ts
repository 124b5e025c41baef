import type { RouteTable, SandboxAddress } from '@atoll/contract';
import { ENVD_PORT, isSandboxId, parsePort } from '@atoll/contract';
import type { RequestHead } from './exchange.ts';
import { fieldValue } from './header-fields.ts';
import { hostNameOf, isAddressLiteral } from './host-name.ts';
import type { Refusal } from './refusal.ts';
import { invalidHost, invalidPort, invalidSandboxId, missingRoutingHeader, noSandboxOfToken } from './refusal.ts';
import type { SignatureSearch } from './signature-search.ts';

/** Where a request goes. */
export type Destination =
  | { readonly kind: 'sandbox'; readonly address: SandboxAddress }
  | { readonly kind: 'api' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** What decides how host names are read. */
export interface Addressing {
  readonly routes: RouteTable;
  readonly signatures: SignatureSearch;
  readonly domain: string | undefined;
  readonly sandboxHosts: ReadonlySet<string>;
  /** Whether `api.<domain>` is served. */
  readonly apiServed: boolean;
}

const refused = (refusal: Refusal): Destination => ({ kind: 'refused', refusal });
const toSandbox = (sandboxId: string, port: number): Destination => ({ kind: 'sandbox', address: { sandboxId, port } });

/**
 * Finds out which port of which sandbox a request is for (protocol note sandbox-proxy, 1). The host name decides; only
 * on `localhost`, an address, `sandbox.<x>` or a configured name do the routing headers.
 */
export function resolveDestination(head: RequestHead, addressing: Addressing): Destination {
  const { domain } = addressing;
  const name = hostNameOf(head.host);
  if (name === undefined) return refused(invalidHost(domain));
  if (addressing.apiServed && domain !== undefined && name === `api.${domain}`) return { kind: 'api' };
  if (honoursHeaders(name, addressing.sandboxHosts)) return byHeaders(head, addressing);

  const dot = name.indexOf('.');
  if (dot === -1) return refused(invalidHost(domain));
  const label = name.slice(0, dot);
  if (!label.includes('-')) {
    // `<id>.<domain>`: the form of the API guide's curl lines, only beneath our own domain.
    if (name.slice(dot + 1) === domain && isSandboxId(label)) return toSandbox(label, ENVD_PORT);
    return refused(invalidHost(domain));
  }
  const [portText = '', sandboxId = ''] = label.split('-');
  return named(portText, sandboxId);
}

function honoursHeaders(name: string, sandboxHosts: ReadonlySet<string>): boolean {
  return name === 'localhost' || name.startsWith('sandbox.') || isAddressLiteral(name) || sandboxHosts.has(name);
}

function named(portText: string, sandboxId: string): Destination {
  const port = parsePort(portText);
  if (port === undefined) return refused(invalidPort());
  if (!isSandboxId(sandboxId)) return refused(invalidSandboxId());
  return toSandbox(sandboxId, port);
}

function byHeaders(head: RequestHead, addressing: Addressing): Destination {
  const sandboxId = fieldValue(head.headers, 'e2b-sandbox-id');
  const portText = fieldValue(head.headers, 'e2b-sandbox-port');
  if (sandboxId !== undefined && portText !== undefined) return named(portText, sandboxId);
  if (sandboxId !== undefined || portText !== undefined) return refused(missingRoutingHeader());

  // Clients that send their access token but no id; an empty token counts as none.
  const token = fieldValue(head.headers, 'x-access-token') ?? '';
  if (token !== '') {
    const route = addressing.routes.byEnvdAccessToken(token);
    return route === undefined ? refused(noSandboxOfToken()) : toSandbox(route.sandboxId, ENVD_PORT);
  }
  const found = addressing.signatures.find(head);
  if (found === undefined) return refused(missingRoutingHeader());
  return typeof found === 'string' ? toSandbox(found, ENVD_PORT) : refused(found);
}
