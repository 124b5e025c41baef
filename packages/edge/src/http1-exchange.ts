import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Exchange, RequestHead } from './exchange.ts';
import { fieldValue, fieldValues, type HeaderFields, pairs } from './header-fields.ts';
import { headersTooLarge, malformedRequest, type Refusal } from './refusal.ts';

/** How much of a body that nobody wants any more is still read, in bytes, and for how long, in milliseconds. */
const MAX_DROPPED_BYTES = 64 * 1024 * 1024;
const DROP_DEADLINE_MS = 10_000;

/**
 * Reads the head of an HTTP/1.1 request, or says why it must not be served. Node's parser has refused bad syntax and
 * conflicting lengths already; what is checked here are the forms that two servers could read differently.
 */
export function readHttp1Head(request: IncomingMessage, headerCount: number): RequestHead | Refusal {
  const { rawHeaders: headers, method = 'GET', url = '' } = request;
  if (headers.length / 2 > headerCount) return headersTooLarge();
  const hosts = fieldValues(headers, 'host');
  if (hosts.length > 1) return malformedRequest('more than one Host field');
  const codings = fieldValues(headers, 'transfer-encoding');
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0]?.trim().toLowerCase() !== 'chunked') {
      return malformedRequest('the only Transfer-Encoding served is chunked');
    }
    if (fieldValue(headers, 'content-length') !== undefined) {
      return malformedRequest('both Transfer-Encoding and Content-Length');
    }
  }
  const host = hosts[0] ?? '';
  const encrypted = request.socket instanceof TLSSocket;
  if (url.startsWith('/') || url === '*') return { method, target: url, host, headers, encrypted };

  // Absolute form: its authority and the Host field must agree (RFC 9112, 3.2.2).
  const absolute = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(url);
  if (absolute === null) return malformedRequest('the target is neither a path nor an http URL');
  const [, authority = '', rest = ''] = absolute;
  if (host !== '' && host.toLowerCase() !== authority.toLowerCase()) {
    return malformedRequest('the host of the target and the Host field differ');
  }
  return { method, target: rest.startsWith('/') ? rest : `/${rest}`, host: authority, headers, encrypted };
}

/** True when a head carries a body. */
export function hasBody(headers: HeaderFields): boolean {
  if (fieldValue(headers, 'transfer-encoding') !== undefined) return true;
  const length = fieldValue(headers, 'content-length');
  return length !== undefined && Number(length) > 0;
}

/** An exchange with an HTTP/1.1 client. */
export class Http1Exchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: HeaderFields;
  readonly encrypted: boolean;
  readonly body: Readable | undefined;
  readonly awaitsContinue: boolean;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, head: RequestHead, awaitsContinue: boolean) {
    this.method = head.method;
    this.target = head.target;
    this.host = head.host;
    this.headers = head.headers;
    this.encrypted = head.encrypted;
    this.body = hasBody(head.headers) ? request : undefined;
    this.awaitsContinue = awaitsContinue && this.body !== undefined;
    this.#request = request;
    this.#response = response;
    response.sendDate = false;
  }

  requestTrailers(): HeaderFields {
    return this.#request.rawTrailers;
  }

  sendInformation(status: number, headers: HeaderFields): void {
    // HTTP/1.0 knows no interim answers.
    if (this.#response.headersSent || this.#request.httpVersionMinor === 0) return;
    this.#response.writeInformation(status, headers);
  }

  sendHead(status: number, reason: string, headers: HeaderFields, _mayHaveTrailers: boolean): Writable {
    const response = this.#response;
    response.writeHead(status, reason, headers as string[]);
    // Small bodies follow at once and share a packet with the head; for a body that takes its time, the head goes ahead.
    setImmediate(() => {
      if (!response.writableEnded && !response.destroyed) response.flushHeaders();
    });
    return response;
  }

  finish(trailers: HeaderFields): void {
    if (trailers.length > 0) this.#response.addTrailers(pairs(trailers));
    this.#response.end();
  }

  dropBody(): void {
    const { body } = this;
    const { socket } = this.#request;
    if (body === undefined || body.readableEnded || socket.destroyed) return;
    const giveUp = setTimeout(() => socket.destroy(), DROP_DEADLINE_MS);
    let bytes = 0;
    body.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_DROPPED_BYTES) socket.destroy();
    });
    for (const over of ['end', 'close']) body.once(over, () => clearTimeout(giveUp));
    body.unpipe();
    body.resume();
  }

  abort(): void {
    const { socket } = this.#request;
    // Without chunks a plain close would look like the end of the answer.
    if (this.#request.httpVersionMinor === 0 && socket instanceof Socket && !socket.destroyed) socket.resetAndDestroy();
    else this.#response.destroy();
  }

  onClosed(listener: () => void): void {
    this.#response.once('close', listener);
  }
}
