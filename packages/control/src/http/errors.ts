import type { Socket } from 'node:net';
import { AtollError, ERROR_CATALOGUE } from '@atoll/contract';
import type { FastifyReply } from 'fastify';

/** The body of every error; nothing else is ever in it. */
export function errorBody(error: AtollError): { code: number; message: string; error_code: string } {
  return { code: error.status, message: error.message, error_code: error.code };
}

/** Where a repeat can help, clients are told to wait at least this long. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** `Should-Retry` always, `Retry-After` where a repeat can help. */
export function errorHeaders(error: AtollError): Record<string, string> {
  const { retry } = ERROR_CATALOGUE[error.code];
  if (!retry) return { 'should-retry': 'false' };
  return {
    'should-retry': 'true',
    'retry-after': String(error.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS),
  };
}

export function sendError(reply: FastifyReply, error: AtollError): FastifyReply {
  return reply.code(error.status).headers(errorHeaders(error)).send(errorBody(error));
}

/** Turns what the HTTP layer throws (its codes begin with FST_) into errors of the catalogue. */
export function fromFramework(error: unknown, maxBodyBytes: number): AtollError {
  if (error instanceof AtollError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : '';
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new AtollError('body_too_large', `The body is larger than ${maxBodyBytes} bytes.`, { cause: error });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new AtollError('invalid_request', `The body could not be read: ${message}.`, { cause: error });
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
    case 'FST_ERR_ASYNC_CONSTRAINT':
      return new AtollError('invalid_request', `The path is not valid: ${message}.`, { cause: error });
    case 'ECONNRESET':
      return new AtollError('invalid_request', 'The connection ended before the whole body came.', { cause: error });
    default:
      return AtollError.from(error);
  }
}

/** Answers what is not HTTP, or too much of it, in JSON too, and ends the connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const answer = fromParser(error);
  const body = JSON.stringify(errorBody(answer));
  const head = [
    `HTTP/1.1 ${answer.status} Error`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(errorHeaders(answer)).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function fromParser(error: NodeJS.ErrnoException): AtollError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AtollError('headers_too_large', 'The headers are larger than this server reads.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AtollError('request_timeout', 'The request did not come in time.');
    default:
      return new AtollError('invalid_request', 'This is not a valid HTTP request.');
  }
}
