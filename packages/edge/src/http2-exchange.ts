import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Readable, Writable } from 'node:stream';
import type { Exchange, RequestHead } from './exchange.ts';
import { fieldValue, fieldValues, type HeaderFields } from './header-fields.ts';
import { headersTooLarge, malformedRequest, type Refusal } from './refusal.ts';

/** Reads the head of an HTTP/2 request, or says why it must not be served. */
export function readHttp2Head(
  rawHeaders: HeaderFields,
  headerCount: number,
  encrypted: boolean,
): RequestHead | Refusal {
  if (rawHeaders.length / 2 > headerCount) return headersTooLarge();
  const pseudo = new Map<string, string>();
  const headers: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    if (name.startsWith(':')) pseudo.set(name, value);
    else headers.push(name, value);
  }
  const hosts = fieldValues(headers, 'host');
  const authority = pseudo.get(':authority');
  if (hosts.length > 1) return malformedRequest('more than one host field');
  if (authority !== undefined && hosts[0] !== undefined && hosts[0].toLowerCase() !== authority.toLowerCase()) {
    return malformedRequest(':authority and host differ');
  }
  const target = pseudo.get(':path') ?? '';
  if (!target.startsWith('/') && target !== '*') return malformedRequest(':path is not a path');
  return { method: pseudo.get(':method') ?? 'GET', target, host: authority ?? hosts[0] ?? '', headers, encrypted };
}

/** An exchange on a stream of HTTP/2. */
export class Http2Exchange implements Exchange {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: HeaderFields;
  readonly encrypted: boolean;
  readonly body: Readable | undefined;
  readonly awaitsContinue: boolean;
  readonly #stream: ServerHttp2Stream;
  readonly #requestTrailers: string[] = [];
  #trailers: HeaderFields = [];
  #finished = false;

  constructor(stream: ServerHttp2Stream, head: RequestHead, endsWithHead: boolean) {
    this.method = head.method;
    this.target = head.target;
    this.host = head.host;
    this.headers = head.headers;
    this.encrypted = head.encrypted;
    this.body = endsWithHead ? undefined : stream;
    this.awaitsContinue = !endsWithHead && fieldValue(head.headers, 'expect')?.toLowerCase() === '100-continue';
    this.#stream = stream;
    stream.on('trailers', (_headers, _flags, raw: string[]) => this.#requestTrailers.push(...raw));
    // Reading from a stream that the client resets raises an error; `onClosed` tells about it.
    stream.on('error', () => undefined);
  }

  requestTrailers(): HeaderFields {
    return this.#requestTrailers;
  }

  sendInformation(status: number, headers: HeaderFields): void {
    if (this.#stream.headersSent || this.#stream.destroyed) return;
    this.#stream.additionalHeaders({ ...toRecord(headers), ':status': status });
  }

  sendHead(status: number, _reason: string, headers: HeaderFields, mayHaveTrailers: boolean): Writable {
    const stream = this.#stream;
    if (stream.destroyed) return stream;
    stream.respond({ ...toRecord(headers), ':status': status }, { waitForTrailers: mayHaveTrailers });
    if (mayHaveTrailers) stream.once('wantTrailers', () => stream.sendTrailers(toRecord(this.#trailers)));
    return stream;
  }

  finish(trailers: HeaderFields): void {
    this.#trailers = trailers;
    this.#finished = true;
    this.#stream.end();
  }

  dropBody(): void {
    // A stream that is closed has no rest, and never holds up the others.
  }

  abort(): void {
    // `close` would end the body first, and a client would take it for complete; `destroy` resets the stream only.
    if (!this.#finished || !this.#stream.writableFinished) this.#stream.destroy(new Error('the answer was broken off'));
  }

  onClosed(listener: () => void): void {
    this.#stream.once('close', listener);
  }
}

/** Names are lower-case in HTTP/2; repeated fields become a list, cookies and the like keep their order. */
function toRecord(fields: HeaderFields): OutgoingHttpHeaders {
  const record: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const value = fields[i + 1] as string;
    const known = record[name];
    if (known === undefined) record[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else if (!SINGLE_VALUE.has(name)) record[name] = [known, value];
  }
  return record;
}

/** Fields that may not be repeated in HTTP/2 by Node's rules; the first one counts, as for most clients. */
const SINGLE_VALUE = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'age',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'dnt',
  'etag',
  'expires',
  'last-modified',
  'location',
  'retry-after',
  'server',
  'tk',
  'upgrade-insecure-requests',
  'x-content-type-options',
]);
