import { checkAccess, checkFileAccess } from './access.ts';
import { allowOrigin, preflightAnswer } from './cors.ts';
import { EnvdError } from './errors.ts';
import { discardBody } from './request-body.ts';
import { init } from './sandbox/init.ts';
import { ResourceMeter } from './sandbox/metrics.ts';
import type { CallHandler, Parts } from './services.ts';

type Route = (request: Request, query: URLSearchParams) => Response | Promise<Response>;

const NO_STORE = { 'cache-control': 'no-store' };

/** `/package.Service/Method`, as calls with protobuf messages are addressed. */
const CALL_PATH = /^\/\w+\.\w+\//;

/** Everything envd answers: one function from request to response that never throws. */
export function createHandler(parts: Parts): (request: Request) => Promise<Response> {
  const { settings, logs } = parts;
  const meter = new ResourceMeter();
  // Loaded by the first call: the message types take more time to set up than all the rest of envd, and whoever starts
  // a sandbox waits for the rest only. Guests of the pool and memory images have it behind them.
  let services: Promise<CallHandler> | undefined;
  const loadServices = () => {
    services ??= import('./services.ts').then(({ openServices }) => openServices(parts));
    return services;
  };
  const routes = new Map<string, Route>([
    ['GET /health', () => new Response(null, { status: 204, headers: NO_STORE })],
    ['GET /metrics', () => Response.json(meter.read(), { headers: NO_STORE })],
    ['GET /envs', () => Response.json({ ...settings.envVars, ...settings.identityEnv }, { headers: NO_STORE })],
    ['GET /logs', (_, query) => Response.json(logs.read(cursorOf(query)), { headers: NO_STORE })],
    ['POST /init', (request) => init(request, settings, logs)],
    // Loaded by the first request, like the services.
    [
      'GET /files',
      (request, query) =>
        withFileAccess(request, query, async () =>
          (await import('./files/download.ts')).download(request, query, settings),
        ),
    ],
    [
      'POST /files',
      (request, query) =>
        withFileAccess(request, query, async () =>
          (await import('./files/upload.ts')).upload(request, query, settings),
        ),
    ],
    ['POST /files/compose', async (request) => (await import('./files/compose.ts')).compose(request, settings)],
  ]);
  const knownPaths = new Set([...routes.keys()].map((route) => route.slice(route.indexOf(' ') + 1)));

  const withFileAccess = (request: Request, query: URLSearchParams, act: () => Promise<Response>) => {
    checkFileAccess(request, query, settings);
    return act();
  };

  const answer = async (request: Request): Promise<Response> => {
    const preflight = preflightAnswer(request);
    if (preflight !== undefined) return preflight;
    const url = new URL(request.url);
    checkAccess(request, url.pathname, settings);
    if (CALL_PATH.test(url.pathname)) {
      const answered = (await loadServices())(url.pathname, request);
      if (answered !== undefined) {
        settings.lastRequestAt = performance.now();
        return answered;
      }
    }
    const route = routes.get(`${request.method} ${url.pathname}`);
    if (route !== undefined) return route(request, url.searchParams);
    if (knownPaths.has(url.pathname)) throw new EnvdError('unimplemented', 'method not allowed', { status: 405 });
    throw new EnvdError('not_found', `there is no ${url.pathname}`);
  };

  return async (request) => {
    try {
      return allowOrigin(request, await answer(request));
    } catch (thrown) {
      const error = EnvdError.from(thrown);
      if (error.status >= 500) logs.add('error', 'http', error.message, { path: new URL(request.url).pathname });
      const refusal = errorAnswer(error);
      if (!(await discardBody(request))) refusal.headers.set('connection', 'close');
      return allowOrigin(request, refusal);
    }
  };
}

/** The error body of plain routes. */
export function errorAnswer(error: EnvdError): Response {
  return new Response(JSON.stringify({ code: error.status, message: error.message }), {
    status: error.status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' },
  });
}

function cursorOf(query: URLSearchParams): number {
  const text = query.get('cursor') ?? '0';
  if (!/^\d{1,15}$/.test(text)) throw new EnvdError('invalid_argument', 'cursor must be a number');
  return Number(text);
}
