import {
  createServer as createHttp1,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { constants, createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type SecureContextOptions, TLSSocket } from 'node:tls';
import { refuse, renderRefusal } from './answer.ts';
import { type GatewayContext, serve } from './gateway.ts';
import { Http1Exchange, readHttp1Head } from './http1-exchange.ts';
import { Http2Exchange, readHttp2Head } from './http2-exchange.ts';
import { headersTooLarge, malformedRequest, methodNotAllowed, type Refusal } from './refusal.ts';
import { openTunnel, wantsTunnel } from './tunnel.ts';

/** How long a connection may rest between requests: as long as upstream's client proxy (note sandbox-proxy, 6). */
const KEEP_ALIVE_MS = 610_000;
/** How long a client may take to send a head. Bodies have no limit. */
const HEAD_DEADLINE_MS = 60_000;
const KEEP_ALIVE_PROBE_MS = 60_000;
/** HTTP/2 windows: what a client may send before it must wait for us. Bounds memory per stream and per connection. */
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 8 * 1024 * 1024;
/** Clients open many streams on one connection (up to 2,000 requests in flight by their defaults). */
const MAX_STREAMS = 4096;
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** An open port. */
export interface Listener {
  readonly port: number;
  /** Takes a new certificate for connections to come. */
  renewCertificate(context: SecureContextOptions): void;
  close(): Promise<void>;
}

/** Listens for HTTP/1.1 and HTTP/2 on one port: by ALPN with TLS, else by the preface that opens every HTTP/2 connection. */
export async function listen(
  options: { host: string; port: number; tls?: SecureContextOptions },
  context: GatewayContext,
): Promise<Listener> {
  const sockets = new Set<Socket>();
  const http2 = createHttp2Side(context);
  const settings = {
    requireHostHeader: false,
    maxHeaderSize: context.limits.headerBytes,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    noDelay: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEAD_DEADLINE_MS,
    requestTimeout: 0,
    shouldUpgradeCallback: wantsTunnel,
  };
  const secure =
    options.tls === undefined
      ? undefined
      : createHttps({ ...settings, ...options.tls, ALPNProtocols: ['h2', 'http/1.1'] });
  const server = secure ?? createHttp1(settings);
  serveHttp1(server, context);

  // The server's own handler of connections is put behind the choice of the protocol.
  const opened = secure === undefined ? 'connection' : 'secureConnection';
  const handlers = server.listeners(opened) as ((socket: Socket) => void)[];
  server.removeAllListeners(opened);
  const toHttp1 = (socket: Socket): void => {
    for (const handler of handlers) handler.call(server, socket);
  };
  const toHttp2 = (socket: Socket): void => {
    http2.emit('connection', socket);
  };
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on(opened, (socket: Socket) => {
    if (socket instanceof TLSSocket) (socket.alpnProtocol === 'h2' ? toHttp2 : toHttp1)(socket);
    else choosePlainProtocol(socket, toHttp1, toHttp2);
  });
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => context.logger.error({ err: error }, 'the listener failed'));
  return {
    port: (server.address() as AddressInfo).port,
    renewCertificate: (credentials) => secure?.setSecureContext(credentials),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Looks at the first bytes of a plain connection and hands it, bytes included, to the side that speaks this protocol. */
function choosePlainProtocol(socket: Socket, toHttp1: (s: Socket) => void, toHttp2: (s: Socket) => void): void {
  const fail = (): void => {
    socket.destroy();
  };
  socket.setTimeout(HEAD_DEADLINE_MS, fail);
  socket.on('error', fail);
  let seen: Buffer = Buffer.alloc(0);
  const look = (): void => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes]);
    const length = Math.min(seen.length, HTTP2_PREFACE.length);
    const mayBeHttp2 = seen.subarray(0, length).equals(HTTP2_PREFACE.subarray(0, length));
    if (mayBeHttp2 && length < HTTP2_PREFACE.length) return;
    socket.off('readable', look);
    socket.off('error', fail);
    socket.off('end', fail);
    socket.off('timeout', fail);
    socket.setTimeout(0);
    // Only now: bytes put back earlier would be announced as new ones, again and again.
    socket.unshift(seen);
    (mayBeHttp2 ? toHttp2 : toHttp1)(socket);
  };
  socket.on('end', fail);
  socket.on('readable', look);
}

function serveHttp1(server: Server, context: GatewayContext): void {
  server.maxHeadersCount = 0;
  const latest = new WeakMap<Duplex, ServerResponse>();
  const onRequest = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    latest.set(request.socket, response);
    const head = readHttp1Head(request, context.limits.headerCount);
    if ('form' in head) {
      const nothing = { method: request.method ?? 'GET', target: '/', host: '', headers: [], encrypted: false };
      response.shouldKeepAlive = false;
      refuse(new Http1Exchange(request, response, { ...nothing, headers: request.rawHeaders }, false), head);
      return;
    }
    // The parser drops what followed a request to switch protocols in the same packet: nothing may follow such a one.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    serve(new Http1Exchange(request, response, head, awaitsContinue), request.socket.remoteAddress ?? '', context);
  };
  server.on('request', (request, response) => onRequest(request, response, false));
  server.on('checkContinue', (request, response) => onRequest(request, response, true));
  server.on('checkExpectation', (request, response) => onRequest(request, response, false));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, early: Buffer) => {
    openTunnel(readHttp1Head(request, context.limits.headerCount), socket, early, context);
  });
  server.on('connect', (_request, socket: Duplex) => answerRaw(socket, methodNotAllowed('CONNECT')));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Bad syntax behind a request: its own answer must not be mixed with one about what follows.
    const response = latest.get(socket);
    const unanswered = response !== undefined && !response.writableEnded;
    if (error.code === 'ECONNRESET' || !socket.writable || unanswered) {
      socket.destroy();
      return;
    }
    if (response !== undefined && !response.writableFinished) {
      socket.end(() => socket.destroy());
      return;
    }
    answerRaw(
      socket,
      error.code === 'HPE_HEADER_OVERFLOW' ? headersTooLarge() : malformedRequest('not valid HTTP/1.1'),
    );
  });
}

/** Answers where there is no request to answer, and closes. */
function answerRaw(socket: Duplex, refusal: Refusal): void {
  const { status, headers, body } = renderRefusal(refusal, {
    method: 'GET',
    target: '/',
    host: '',
    headers: [],
    encrypted: false,
  });
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n`;
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  socket.on('error', () => socket.destroy());
  socket.end(`${text}\r\n${body}`, () => socket.destroy());
}

function createHttp2Side(context: GatewayContext): Http2Server {
  const server = createHttp2({
    settings: {
      initialWindowSize: STREAM_WINDOW,
      maxConcurrentStreams: MAX_STREAMS,
      maxHeaderListSize: context.limits.headerBytes,
    },
    maxHeaderListPairs: context.limits.headerCount + 1_000,
  });
  server.on('session', (session: ServerHttp2Session) => {
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.setTimeout(KEEP_ALIVE_MS, () => session.close());
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, _headers, flags, rawHeaders: string[]) => {
    const encrypted = stream.session?.socket instanceof TLSSocket;
    const remoteAddress = stream.session?.socket.remoteAddress ?? '';
    const endsWithHead = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const head = readHttp2Head(rawHeaders, context.limits.headerCount, encrypted);
    if ('form' in head) {
      const nothing = { method: 'GET', target: '/', host: '', headers: [], encrypted };
      refuse(new Http2Exchange(stream, nothing, endsWithHead), head);
      return;
    }
    serve(new Http2Exchange(stream, head, endsWithHead), remoteAddress, context);
  });
  return server;
}
