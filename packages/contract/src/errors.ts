/**
 * The error catalogue: every error a user can meet, with its HTTP status, whose fault it is, and what to do.
 * `retry`: whether repeating the same request can help and is safe (answered as `Should-Retry`).
 */
export const ERROR_CATALOGUE = {
  invalid_request: { status: 400, fault: 'user', retry: false, remedy: 'Correct the request as the message says.' },
  invalid_json: {
    status: 400,
    fault: 'user',
    retry: false,
    remedy: 'Send a JSON object with Content-Type application/json.',
  },
  body_too_large: {
    status: 413,
    fault: 'user',
    retry: false,
    remedy: 'Send a smaller body; the limit is in the message.',
  },
  unauthorized: {
    status: 401,
    fault: 'user',
    retry: false,
    remedy: 'Send a valid key in X-API-Key; `atoll status` prints it.',
  },
  forbidden: { status: 403, fault: 'user', retry: false, remedy: 'Use a credential of the team that owns this.' },
  sandbox_not_found: { status: 404, fault: 'user', retry: false, remedy: 'List what runs with GET /v2/sandboxes.' },
  template_not_found: { status: 404, fault: 'user', retry: false, remedy: 'List the templates with GET /templates.' },
  not_found: { status: 404, fault: 'user', retry: false, remedy: 'See /openapi.json for the routes there are.' },
  conflict: { status: 409, fault: 'user', retry: false, remedy: 'Look at the present state and decide again.' },
  gone: { status: 410, fault: 'user', retry: false, remedy: 'Use what the message names instead.' },
  request_timeout: { status: 408, fault: 'user', retry: true, remedy: 'Send the whole request at once.' },
  headers_too_large: { status: 431, fault: 'user', retry: false, remedy: 'Send fewer or shorter headers.' },
  idempotency_in_progress: {
    status: 409,
    fault: 'user',
    retry: true,
    remedy: 'Wait for the first request with this Idempotency-Key, then ask again.',
  },
  idempotency_request_mismatch: {
    status: 422,
    fault: 'user',
    retry: false,
    remedy: 'Use a new Idempotency-Key for a different request.',
  },
  rate_limited: { status: 429, fault: 'user', retry: true, remedy: 'Wait for the seconds in Retry-After.' },
  sandbox_limit_reached: {
    status: 429,
    fault: 'user',
    retry: false,
    remedy: 'Kill a sandbox or raise the limit in the settings.',
  },
  not_implemented: { status: 501, fault: 'user', retry: false, remedy: 'Leave the named field or operation out.' },
  runtime_unsupported: { status: 501, fault: 'user', retry: false, remedy: 'Choose a runtime that can do this.' },
  sandbox_capacity_unavailable: {
    status: 503,
    fault: 'system',
    retry: true,
    remedy: 'Try again, or give the host more memory or disk.',
  },
  sandbox_create_failed: {
    status: 500,
    fault: 'system',
    retry: false,
    remedy: 'See the server log; run `atoll doctor`.',
  },
  sandbox_placement_timeout: {
    status: 504,
    fault: 'system',
    retry: false,
    remedy: 'The host is overloaded: look at its CPU, memory and disk.',
  },
  database_unavailable: {
    status: 503,
    fault: 'system',
    retry: false,
    remedy: 'Start the database that `atoll doctor` names under databaseUrl, or correct the setting.',
  },
  disk_full: { status: 507, fault: 'system', retry: false, remedy: 'Free space on the disk that the message names.' },
  shutting_down: {
    status: 503,
    fault: 'system',
    retry: true,
    remedy: 'The server is stopping; ask again when it is back.',
  },
  internal_server_error: { status: 500, fault: 'system', retry: false, remedy: 'See the server log for the cause.' },
} as const satisfies Record<string, ErrorDescription>;

interface ErrorDescription {
  readonly status: number;
  readonly fault: 'user' | 'system';
  readonly retry: boolean;
  readonly remedy: string;
}

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** The one error class of Atoll: a code of the catalogue and a message that says what went wrong and why. */
export class AtollError extends Error {
  readonly code: ErrorCode;
  /** Seconds to wait before asking again; sent as `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'AtollError';
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }

  get remedy(): string {
    return ERROR_CATALOGUE[this.code].remedy;
  }

  /** Passes an AtollError through and wraps anything else as `internal_server_error`, keeping it as the cause. */
  static from(error: unknown): AtollError {
    if (error instanceof AtollError) return error;
    return new AtollError('internal_server_error', 'An unexpected error happened on the server.', { cause: error });
  }
}
