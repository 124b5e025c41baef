/** Connect's error codes with their HTTP status. */
export const HTTP_STATUS_OF_CODE = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
} as const;

export type ConnectCode = keyof typeof HTTP_STATUS_OF_CODE;

/** The one error class of envd: a Connect code for calls, an HTTP status for plain routes, and a message for both. */
export class EnvdError extends Error {
  readonly code: ConnectCode;
  readonly status: number;

  constructor(code: ConnectCode, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'EnvdError';
    this.code = code;
    this.status = options.status ?? HTTP_STATUS_OF_CODE[code];
  }

  /** Passes an EnvdError through; anything else becomes `internal`, or 507 where the disk is full. */
  static from(error: unknown): EnvdError {
    if (error instanceof EnvdError) return error;
    const code = errnoCode(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return new EnvdError('resource_exhausted', 'not enough disk space available', { status: 507, cause: error });
    }
    if (code === 'ENAMETOOLONG') return new EnvdError('invalid_argument', 'path is too long', { cause: error });
    return new EnvdError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** The name of a system error ("ENOENT"), undefined for other errors. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
