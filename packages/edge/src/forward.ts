import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Exchange } from './exchange.ts';
import { endToEndFields, fieldValue, pairs } from './header-fields.ts';

/** Where and how a request is sent on. */
export interface Forwarding {
  readonly agent: Agent;
  readonly address: string;
  readonly port: number;
  readonly headers: string[];
  /** Header bytes of an answer; a larger one breaks the exchange. */
  readonly maxHeaderBytes: number;
  /** Called when no answer came; nothing has been sent to the client then. */
  readonly onNoAnswer: (error: unknown) => void;
}

/** Methods that may be sent again when a kept connection turns out to be closed (RFC 9110, 9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'PUT']);
/**
 * How long the server is given to answer `Expect: 100-continue` itself. Many never do; the client would then wait a
 * second or more before it sends its body.
 */
const CONTINUE_GRACE_MS = 50;

/** Opens the request to the sandbox. Header fields go out exactly as given. */
export function openRequest(
  exchange: { method: string; target: string },
  to: Omit<Forwarding, 'onNoAnswer'>,
): ClientRequest {
  return request({
    agent: to.agent,
    host: to.address,
    port: to.port,
    method: exchange.method,
    path: exchange.target,
    headers: to.headers,
    setHost: false,
    maxHeaderSize: to.maxHeaderBytes,
  });
}

/**
 * Sends an exchange on and its answer back, both as they come: nothing is buffered beyond the streams' high-water marks
 * and nothing has a time limit. When either side goes away the other is broken off at once.
 */
export function forward(exchange: Exchange, to: Forwarding): () => void {
  let current: ClientRequest | undefined;
  let answer: IncomingMessage | undefined;
  let closed = false;

  const breakOff = (): void => {
    if (closed) return;
    current?.destroy();
    if (answer !== undefined) exchange.abort();
  };
  exchange.onClosed(() => {
    closed = true;
    // The answer may be complete while the request's body is not: the sandbox wants no more of it.
    if (current !== undefined && !(current.writableFinished && answer?.complete === true)) current.destroy();
    exchange.dropBody();
  });
  send(true);
  return breakOff;

  function send(mayRepeat: boolean): void {
    let upstream: ClientRequest;
    try {
      upstream = openRequest(exchange, to);
    } catch (error) {
      to.onNoAnswer(error);
      return;
    }
    current = upstream;
    upstream.on('response', (response) => {
      answer = response;
      relayAnswer(exchange, response, () => closed);
    });
    upstream.on('information', ({ statusCode, rawHeaders }) => {
      if (!closed && statusCode !== 100) exchange.sendInformation(statusCode, endToEndFields(rawHeaders));
    });
    upstream.on('error', (error) => {
      if (closed) return;
      if (answer !== undefined) exchange.abort();
      else if (mayRepeat && isStale(upstream, exchange)) send(false);
      else to.onNoAnswer(error);
    });
    sendBody(exchange, upstream);
  }
}

/** A kept connection that the server closed while the request was on its way: it was not looked at, and can be repeated. */
function isStale(upstream: ClientRequest, exchange: Exchange): boolean {
  return upstream.reusedSocket && exchange.body === undefined && IDEMPOTENT.has(exchange.method);
}

function sendBody(exchange: Exchange, upstream: ClientRequest): void {
  const { body } = exchange;
  if (body === undefined) {
    upstream.end();
    return;
  }
  if (exchange.awaitsContinue) relayContinue(exchange, upstream);
  body.on('end', () => {
    const trailers = exchange.requestTrailers();
    if (trailers.length > 0) upstream.addTrailers(pairs(trailers));
    upstream.end();
  });
  body.on('error', () => upstream.destroy());
  body.pipe(upstream, { end: false });
}

function relayContinue(exchange: Exchange, upstream: ClientRequest): void {
  let sent = false;
  const proceed = (): void => {
    if (sent) return;
    sent = true;
    exchange.sendInformation(100, []);
  };
  upstream.flushHeaders();
  upstream.once('continue', proceed);
  const stop = (): void => {
    sent = true;
    clearTimeout(grace);
  };
  let grace: NodeJS.Timeout | undefined;
  upstream.once('socket', () => {
    grace = setTimeout(proceed, CONTINUE_GRACE_MS);
  });
  upstream.once('response', stop);
  upstream.once('close', stop);
}

function relayAnswer(exchange: Exchange, response: IncomingMessage, isClosed: () => boolean): void {
  if (isClosed()) {
    response.destroy();
    return;
  }
  const mayHaveTrailers =
    fieldValue(response.rawHeaders, 'trailer') !== undefined ||
    (fieldValue(response.rawHeaders, 'content-type')?.startsWith('application/grpc') ?? false);
  response.on('error', () => exchange.abort());
  response.on('end', () => exchange.finish(response.complete ? response.rawTrailers : []));
  try {
    const out = exchange.sendHead(
      response.statusCode ?? 502,
      response.statusMessage ?? '',
      endToEndFields(response.rawHeaders),
      mayHaveTrailers,
    );
    response.pipe(out, { end: false });
  } catch {
    // A head that can not be said in the client's protocol, e.g. characters it forbids.
    response.destroy();
    exchange.abort();
  }
}
