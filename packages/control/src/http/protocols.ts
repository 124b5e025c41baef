import http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { answerClientError } from './errors.ts';

/** The first bytes of every HTTP/2 connection without TLS (RFC 9113, section 3.4). */
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0');
/** Room for the 1,000 headers some proxies and tests send; Node's own default is 16 KiB. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Node refuses more than 1,000 headers unless told otherwise; their size is bounded above. */
const MAX_HEADERS = 4000;
/** Longer than what common clients keep an idle connection for, so that they and not we close it. */
const KEEP_ALIVE_MS = 120_000;
/** How long a connection may be silent before its first byte. */
const FIRST_BYTE_MS = 60_000;

export type RequestHandler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/**
 * A plain-text server that speaks HTTP/1.1 and HTTP/2 on one port: the first bytes of a connection tell which.
 * `close` of the server it returns also ends the HTTP/2 sessions.
 */
export function plainServer(handler: RequestHandler): http.Server {
  const server = http.createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS }, handler);
  server.maxHeadersCount = MAX_HEADERS;
  server.on('clientError', answerClientError);
  const second = http2.createServer(
    { settings: { maxHeaderListSize: MAX_HEADER_BYTES } },
    // Node's compatibility layer gives HTTP/2 requests the interface of HTTP/1 ones.
    handler as unknown as (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void,
  );
  const sessions = new Set<http2.ServerHttp2Session>();
  second.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  // A broken session closes; without a listener it would end the process.
  second.on('sessionError', (_error, session) => session.destroy());

  const firstListeners = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(FIRST_BYTE_MS, () => socket.destroy());
    socket.once('readable', () => {
      const start: Buffer | null = socket.read();
      if (start === null) return;
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.unshift(start);
      if (speaksHttp2(start)) second.emit('connection', socket);
      else for (const listener of firstListeners) listener.call(server, socket);
    });
  });

  const close = server.close.bind(server);
  server.close = (callback) => {
    for (const session of sessions) session.close();
    return close(callback);
  };
  const closeAll = server.closeAllConnections.bind(server);
  server.closeAllConnections = () => {
    for (const session of sessions) session.destroy();
    closeAll();
  };
  return server;
}

function speaksHttp2(start: Buffer): boolean {
  const length = Math.min(start.length, HTTP2_PREFACE.length);
  // Three bytes are enough: no method of HTTP/1.1 begins with PRI.
  return length >= 3 && start.subarray(0, length).equals(HTTP2_PREFACE.subarray(0, length));
}
