import { STATUS_CODES } from 'node:http';
import { errorPage } from './error-page.ts';
import type { Exchange, RequestHead } from './exchange.ts';
import { fieldValue } from './header-fields.ts';
import type { Refusal } from './refusal.ts';

/** A complete small answer. */
export interface Answer {
  readonly status: number;
  readonly headers: string[];
  readonly body: string;
}

const BROWSER = /mozilla|chrome|safari|firefox|edge|opera|msie/i;
const NESTED_FETCH_MODES = new Set(['cors', 'no-cors', 'same-origin', 'websocket']);
/** Seconds a browser may remember a preflight's answer; short, since the sandbox itself may answer the next one. */
const PREFLIGHT_SECONDS = 5;
/** How long the rest of a refused request's body is read before its connection is cut. */
const DRAIN_MS = 30_000;

/** True when a person's browser loads this as a page (protocol note sandbox-proxy, 3). */
export function isNavigation(head: RequestHead): boolean {
  const mode = fieldValue(head.headers, 'sec-fetch-mode')?.toLowerCase();
  if (mode === 'navigate') return true;
  if (!BROWSER.test(fieldValue(head.headers, 'user-agent') ?? '')) return false;
  const accept = fieldValue(head.headers, 'accept') ?? '';
  if (accept.includes('application/json') && !accept.includes('text/html')) return false;
  if (mode !== undefined) return !NESTED_FETCH_MODES.has(mode);
  return fieldValue(head.headers, 'x-requested-with') === undefined;
}

/**
 * Renders a refusal for the client that asked. Every answer carries CORS fields, and a preflight is granted, so that a
 * script in a browser can read why its request failed; upstream's pages do not, and a script only sees a network error.
 */
export function renderRefusal(refusal: Refusal, head: RequestHead): Answer {
  const headers = [
    'Access-Control-Allow-Origin',
    '*',
    'Access-Control-Expose-Headers',
    '*',
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
  ];
  if (head.method === 'OPTIONS' && fieldValue(head.headers, 'access-control-request-method') !== undefined) {
    return { status: 204, headers: [...headers, ...preflightHeaders(head)], body: '' };
  }
  headers.push('Should-Retry', refusal.retryAfterSeconds === undefined ? 'false' : 'true');
  if (refusal.retryAfterSeconds !== undefined) headers.push('Retry-After', String(refusal.retryAfterSeconds));
  let type = 'text/plain; charset=utf-8';
  let body = `${[refusal.message, ...refusal.advice].join('\n')}\n`;
  if (refusal.form === 'page' && isNavigation(head)) {
    type = 'text/html; charset=utf-8';
    body = errorPage(refusal);
    headers.push('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'");
  } else if (refusal.form === 'page') {
    type = 'application/json; charset=utf-8';
    body = JSON.stringify({ ...refusal.details, message: refusal.message, code: refusal.status });
  }
  headers.push('Content-Type', type, 'Content-Length', String(Buffer.byteLength(body)));
  return { status: refusal.status, headers, body };
}

function preflightHeaders(head: RequestHead): string[] {
  return [
    'Access-Control-Allow-Methods',
    'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
    'Access-Control-Allow-Headers',
    fieldValue(head.headers, 'access-control-request-headers') ?? '*',
    'Access-Control-Max-Age',
    String(PREFLIGHT_SECONDS),
    'Vary',
    'Access-Control-Request-Headers',
  ];
}

/**
 * Answers a request instead of forwarding it. The rest of its body is read and dropped for a while: a client that still
 * sends would otherwise meet a reset connection and never see the answer.
 */
export function refuse(exchange: Exchange, refusal: Refusal): void {
  const { status, headers, body } = renderRefusal(refusal, exchange);
  const out = exchange.sendHead(status, STATUS_CODES[status] ?? '', headers, false);
  if (body !== '' && exchange.method !== 'HEAD') out.write(body);
  exchange.finish([]);
  const { body: unread } = exchange;
  if (unread === undefined || unread.readableEnded) return;
  unread.on('error', () => undefined);
  const deadline = setTimeout(() => unread.destroy(), DRAIN_MS);
  deadline.unref();
  unread.once('close', () => clearTimeout(deadline));
  unread.resume();
}
