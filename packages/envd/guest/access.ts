import { createHash, timingSafeEqual } from 'node:crypto';
import { EnvdError } from './errors.ts';
import type { Settings } from './settings.ts';

/** Paths that need no `X-Access-Token`: open ones, and those with a rule of their own. */
const EXEMPT = new Set(['GET /health', 'HEAD /health', 'GET /files', 'POST /files', 'POST /init']);

/** The token a request carries; an empty header counts as none. */
export function accessTokenOf(request: Request): string | undefined {
  const token = request.headers.get('x-access-token');
  return token === null || token === '' ? undefined : token;
}

/** Throws `unauthenticated` unless the request may use its route. */
export function checkAccess(request: Request, path: string, settings: Settings): void {
  if (settings.accessToken === undefined || EXEMPT.has(`${request.method} ${path}`)) return;
  const token = accessTokenOf(request);
  if (token === undefined || !equalSecrets(token, settings.accessToken)) {
    throw new EnvdError(
      'unauthenticated',
      'unauthorized access, please provide a valid access token or method signing if supported',
    );
  }
}

/**
 * The rule of `/files`: a token header must be right; without one, the URL must carry a valid signature over the path,
 * the operation and the user as sent.
 */
export function checkFileAccess(request: Request, query: URLSearchParams, settings: Settings): void {
  if (settings.accessToken === undefined) return;
  const token = accessTokenOf(request);
  if (token !== undefined) {
    if (equalSecrets(token, settings.accessToken)) return;
    throw new EnvdError('unauthenticated', 'access token present in header but does not match');
  }
  const signature = query.get('signature');
  if (signature === null || signature === '') {
    throw new EnvdError('unauthenticated', 'missing signature query parameter');
  }
  const expiration = query.get('signature_expiration');
  if (expiration !== null && !/^-?\d{1,15}$/.test(expiration)) {
    throw new EnvdError('invalid_argument', 'signature_expiration is not a number');
  }
  const operation = request.method === 'GET' ? 'read' : 'write';
  const parts = [query.get('path') ?? '', operation, query.get('username') ?? '', settings.accessToken];
  if (expiration !== null) parts.push(String(Number(expiration)));
  const digest = createHash('sha256').update(parts.join(':')).digest('base64').replace(/=+$/, '');
  if (!equalSecrets(signature, `v1_${digest}`)) throw new EnvdError('unauthenticated', 'invalid signature');
  if (expiration !== null && Number(expiration) < Math.floor(Date.now() / 1000)) {
    throw new EnvdError('unauthenticated', 'signature is already expired');
  }
}

/** The name in `Authorization: Basic`, undefined when there is none. The password means nothing. */
export function basicUserName(headers: Headers): string | undefined {
  const match = /^basic\s+([A-Za-z0-9+/=_-]+)\s*$/i.exec(headers.get('authorization') ?? '');
  if (match?.[1] === undefined) return undefined;
  const name = Buffer.from(match[1], 'base64').toString('utf8').split(':', 1)[0];
  return name === '' ? undefined : name;
}

/** Compares in constant time; hashing first hides the lengths. */
export function equalSecrets(left: string, right: string): boolean {
  return timingSafeEqual(sha256(left), sha256(right));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
