/** What browsers may send and see: any origin, since every request carries its own credential. */
const ALLOWED_METHODS = 'GET, POST, PUT, PATCH, DELETE, OPTIONS';
const ALLOWED_HEADERS = [
  'Origin',
  'Content-Length',
  'Content-Type',
  'User-Agent',
  'Authorization',
  'X-API-Key',
  'X-Team-ID',
  'X-Admin-Token',
  'Idempotency-Key',
  'browser',
  'lang',
  'lang_version',
  'machine',
  'os',
  'package_version',
  'processor',
  'publisher',
  'release',
  'sdk_runtime',
  'system',
].join(', ');
const EXPOSED_HEADERS = [
  'X-Next-Token',
  'X-Total-Running',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Retry-After',
  'Should-Retry',
].join(', ');
/** Seconds a browser may remember the answer to its preflight. */
const PREFLIGHT_SECONDS = '86400';

/** On every answer. */
export const CORS_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': EXPOSED_HEADERS,
} as const;

/** On the answer to a preflight, in addition. */
export const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': ALLOWED_METHODS,
  'access-control-allow-headers': ALLOWED_HEADERS,
  'access-control-max-age': PREFLIGHT_SECONDS,
} as const;
