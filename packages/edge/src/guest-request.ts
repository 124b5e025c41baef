import type { SandboxAddress, SandboxRoute } from '@atoll/contract';
import { ENVD_PORT } from '@atoll/contract';
import { sameSecret } from './access.ts';
import type { RequestHead } from './exchange.ts';
import { connectionOptions, fieldValue, fieldValues, isHopByHop } from './header-fields.ts';

/** Port of the code interpreter; it shows the access token to envd when it asks for the default variables. */
const INTERPRETER_PORT = 49999;
const OUR_API_KEY = /^e2b_[0-9a-f]+$/;
const OUR_ACCESS_TOKEN = /^bearer +sk_e2b_[0-9a-f]+$/i;
// biome-ignore lint/suspicious/noTemplateCurlyInString: the literal that users write into maskRequestHost.
const PORT_PLACEHOLDER = '${PORT}';
/** Methods whose requests have no body unless they say so; for all others an absent body is declared. */
const BODYLESS_METHODS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/**
 * What must not travel further, by field name in lower case.
 *
 * - The traffic token is for the edge alone.
 * - envd's token goes to envd and to the code interpreter, which needs it. Any other port may be somebody's own program:
 *   it does not get this sandbox's token, but keeps an `X-Access-Token` of its own users.
 * - API keys and user tokens never belong into a sandbox. envd does not know `X-API-Key`, so it loses any; other
 *   programs may use that name for keys of their own and lose only what is formed like ours.
 */
function isWithheld(name: string, value: string, port: number, route: SandboxRoute): boolean {
  switch (name) {
    case 'e2b-traffic-access-token':
      return true;
    case 'x-access-token':
      if (port === ENVD_PORT || port === INTERPRETER_PORT) return false;
      return route.envdAccessToken !== undefined && sameSecret(value, route.envdAccessToken);
    case 'x-api-key':
      return port === ENVD_PORT || OUR_API_KEY.test(value);
    case 'authorization':
      return OUR_ACCESS_TOKEN.test(value);
    default:
      return false;
  }
}

/** What of an exchange decides its onward header. */
export interface Forwardable extends RequestHead {
  readonly body: unknown;
  readonly awaitsContinue: boolean;
}

/** The header fields a sandbox's server gets. The framing fields are made anew from how the body really comes. */
export function guestHeaders(exchange: Forwardable, address: SandboxAddress, route: SandboxRoute): string[] {
  const masked = address.port === ENVD_PORT ? undefined : route.maskRequestHost;
  const headers: string[] =
    masked === undefined
      ? ['Host', exchange.host]
      : ['Host', masked.replaceAll(PORT_PLACEHOLDER, String(address.port)), 'X-Forwarded-Host', exchange.host];
  copyFields(exchange, headers, (name, value) =>
    masked !== undefined && name === 'x-forwarded-host' ? true : isWithheld(name, value, address.port, route),
  );
  return headers;
}

/** The header fields our own API gets: who asked and how, as the edge saw it. */
export function apiHeaders(exchange: Forwardable, remoteAddress: string): string[] {
  const headers = [
    'Host',
    exchange.host,
    'X-Forwarded-Host',
    exchange.host,
    'X-Forwarded-Proto',
    exchange.encrypted ? 'https' : 'http',
    'X-Forwarded-For',
    remoteAddress,
  ];
  copyFields(exchange, headers, (name) => name.startsWith('x-forwarded-') || name === 'forwarded');
  return headers;
}

function copyFields(exchange: Forwardable, into: string[], withheld: (name: string, value: string) => boolean): void {
  const { headers: fields } = exchange;
  const options = connectionOptions(fields);
  const cookies: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const field = fields[i] as string;
    const value = fields[i + 1] as string;
    const name = field.toLowerCase();
    if (name === 'host' || name === 'content-length' || name === 'expect') continue;
    if (isHopByHop(name, options) || withheld(name, value)) continue;
    // HTTP/2 may split the cookie into crumbs; HTTP/1.1 servers expect one field (RFC 9113, 8.2.3).
    if (name === 'cookie') cookies.push(value);
    else into.push(field, value);
  }
  if (cookies.length > 0) into.push('Cookie', cookies.join('; '));
  if (fieldValues(fields, 'te').some((value) => /\btrailers\b/i.test(value))) into.push('TE', 'trailers');
  if (exchange.awaitsContinue) into.push('Expect', '100-continue');
  into.push(...framing(exchange));
}

function framing(exchange: Forwardable): string[] {
  const length = fieldValue(exchange.headers, 'content-length');
  if (exchange.body !== undefined) {
    return length === undefined ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', length];
  }
  return length === undefined && BODYLESS_METHODS.has(exchange.method) ? [] : ['Content-Length', '0'];
}
