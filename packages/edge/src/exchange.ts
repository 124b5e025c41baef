import type { Readable, Writable } from 'node:stream';
import type { HeaderFields } from './header-fields.ts';

/** The head of a request, whichever protocol brought it. */
export interface RequestHead {
  readonly method: string;
  /** Path and query (origin form), or `*`. */
  readonly target: string;
  /** `Host` or `:authority` as sent; empty when there was none. */
  readonly host: string;
  /** Fields without pseudo fields; on HTTP/2 without `host`. */
  readonly headers: HeaderFields;
  /** True when the client came over TLS. */
  readonly encrypted: boolean;
}

/**
 * One request and its answer, the narrow waist between the protocols clients speak and the forwarding. An adapter makes
 * it from HTTP/1.1 or HTTP/2; what forwards knows only this.
 */
export interface Exchange extends RequestHead {
  /** The request's body; undefined when it has none. */
  readonly body: Readable | undefined;
  /** The trailer fields of the request, complete once the body has ended. */
  requestTrailers(): HeaderFields;
  /** True when the client waits for `100 Continue` before it sends its body. */
  readonly awaitsContinue: boolean;
  /** Sends an interim answer, 100 to 199 but not 101. */
  sendInformation(status: number, headers: HeaderFields): void;
  /** Sends the head of the answer and gives the place where its body goes. `mayHaveTrailers` must be right when set. */
  sendHead(status: number, reason: string, headers: HeaderFields, mayHaveTrailers: boolean): Writable;
  /** Ends the answer's body. */
  finish(trailers: HeaderFields): void;
  /** After an answer that came ahead of the body's end: drops the rest, so that the connection can carry other requests. */
  dropBody(): void;
  /** Breaks the answer off so that the client can tell it from a complete one. */
  abort(): void;
  /** Called once, when the answer has been sent or the client has gone. */
  onClosed(listener: () => void): void;
}
