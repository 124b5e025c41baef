/** Browsers may ask from anywhere: access is by token, not by origin. */
const ALLOWED_METHODS = 'HEAD, GET, POST, PUT, PATCH, DELETE';
const EXPOSED_HEADERS =
  'Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Location, Cache-Control, X-Content-Type-Options';

/** How long a browser may remember a preflight's answer, in seconds. */
const MAX_AGE_SECONDS = 7200;

/** The answer to a preflight; undefined when the request is none. */
export function preflightAnswer(request: Request): Response | undefined {
  if (request.method !== 'OPTIONS' || !request.headers.has('access-control-request-method')) return undefined;
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': ALLOWED_METHODS,
      'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
      'access-control-max-age': String(MAX_AGE_SECONDS),
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    },
  });
}

/** Lets pages of other origins read an answer. */
export function allowOrigin(request: Request, response: Response): Response {
  if (!request.headers.has('origin')) return response;
  response.headers.set('access-control-allow-origin', '*');
  response.headers.set('access-control-expose-headers', EXPOSED_HEADERS);
  return response;
}
