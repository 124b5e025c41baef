import type { Readable } from 'node:stream';
import { AtollError, ERROR_CATALOGUE } from '@atoll/contract';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import { CORS_HEADERS, PREFLIGHT_HEADERS } from './cors.ts';
import { fromFramework, sendError } from './errors.ts';
import { plainServer, type RequestHandler } from './protocols.ts';

/** Longest path segment that is matched: template names with a namespace, percent-encoded. */
const MAX_SEGMENT_LENGTH = 512;

/** The HTTP layer without any route: reading, CORS, and JSON errors for whatever goes wrong. */
export function makeApiServer(options: { logger: Logger; maxBodyBytes: number }): FastifyInstance {
  const { logger, maxBodyBytes } = options;
  const server = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // Errors of ours are logged below, with their cause; a line for each request would cost more than the request.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    routerOptions: {
      maxParamLength: MAX_SEGMENT_LENGTH,
      querystringParser: (text) => new URLSearchParams(text) as unknown as Record<string, unknown>,
    },
    // Some readers of older manuals put /v1 before every path.
    rewriteUrl: (request) => (request.url ?? '/').replace(/^\/v1(?=\/)/, ''),
    serverFactory: (handler) => plainServer(handler as RequestHandler),
    frameworkErrors: (error, _request, reply) => {
      reply.headers(CORS_HEADERS);
      void sendError(reply, fromFramework(error, maxBodyBytes));
    },
  });
  readBodies(server);

  server.addHook('onRequest', async (request, reply) => {
    reply.headers(CORS_HEADERS);
    // HTTP/2 needs no content-length, so a body without a content type would be overlooked.
    if (request.raw.httpVersionMajor === 2) request.raw.headers['content-type'] ??= 'application/json';
    if (request.method === 'OPTIONS') return reply.code(204).headers(PREFLIGHT_HEADERS).send();
  });
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    return sendError(
      reply,
      new AtollError(
        'not_found',
        `There is no ${request.method} ${path.slice(0, 256)} here. All routes are in /openapi.json.`,
      ),
    );
  });
  server.setErrorHandler(async (error, request, reply) => {
    const answer = fromFramework(error, maxBodyBytes);
    if (answer.code === 'body_too_large') await dropBody(request.raw);
    if (ERROR_CATALOGUE[answer.code].fault === 'system') {
      logger.error({ err: answer, method: request.method, path: request.url.split('?', 1)[0] }, 'a request failed');
    }
    return sendError(reply, answer);
  });
  return server;
}

/** How much of a body that is refused is still read, in bytes, and for how long, in milliseconds. */
const MAX_DROPPED_BYTES = 64 * 1024 * 1024;
const DROP_DEADLINE_MS = 5_000;

/** A client that is still sending when its connection is closed loses the answer; it gets to its end, within bounds. */
function dropBody(body: Readable): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = setTimeout(resolve, DROP_DEADLINE_MS);
    const over = (): void => {
      clearTimeout(giveUp);
      resolve();
    };
    if (body.readableEnded || body.destroyed) return over();
    let bytes = 0;
    body.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_DROPPED_BYTES) over();
    });
    for (const end of ['end', 'close', 'error']) body.once(end, over);
    body.resume();
  });
}

/** Bodies are JSON whatever their content type says; an empty one is no body. */
function readBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}

function refuseNul(key: string, value: unknown): unknown {
  if (!key.includes('\0') && !(typeof value === 'string' && value.includes('\0'))) return value;
  throw new AtollError('invalid_request', `validation error: ${JSON.stringify(key)} holds a NUL character`);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  let value: unknown;
  try {
    const text = UTF8.decode(body);
    if (text.trim() === '') return undefined;
    // PostgreSQL cannot hold NUL in text, and neither can an environment: nobody means it, so nobody may send it.
    value = text.includes('\\u0000') ? JSON.parse(text, refuseNul) : JSON.parse(text);
  } catch (error) {
    if (error instanceof AtollError) throw error;
    throw new AtollError('invalid_json', `The body is not valid JSON: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    });
  }
  return value;
}
