import type { Access, Method } from './operation.ts';

/** A documented operation that is refused: `not_implemented` (501), or `gone` (410) with the present way. */
export interface RefusedOperation {
  readonly method: Method;
  readonly path: string;
  readonly access: Access;
  readonly error: 'not_implemented' | 'gone';
  /** What the caller reads. */
  readonly message: string;
}

function later(what: string, paths: readonly `${Uppercase<Method>} ${string}`[], access: Access = 'team') {
  return paths.map((line): RefusedOperation => {
    const [method = '', path = ''] = line.split(' ');
    return {
      method: method.toLowerCase() as Method,
      path,
      access,
      error: 'not_implemented',
      message: `${what} not implemented by this server yet.`,
    };
  });
}

const DOCKER_HINT =
  'Building by docker push is gone. Build with POST /v3/templates and POST /v2/templates/{templateID}/builds/{buildID}, as the clients since version 2 do.';

function gone(paths: readonly `/${string}`[]): RefusedOperation[] {
  return paths.map((path) => ({ method: 'post', path, access: 'team', error: 'gone', message: DOCKER_HINT }));
}

/** Operations of the protocol that this server names and refuses, so that nobody takes silence for success. */
export const refusedOperations: readonly RefusedOperation[] = [
  ...later('Pausing a sandbox is', ['POST /sandboxes/{sandboxID}/pause']),
  ...later('Snapshots are', ['POST /sandboxes/{sandboxID}/snapshots', 'GET /snapshots']),
  ...later('Forking a sandbox is', ['POST /sandboxes/{sandboxID}/fork']),
  ...later('Building templates is', [
    'POST /v3/templates',
    'POST /v2/templates/{templateID}/builds/{buildID}',
    'GET /templates/{templateID}/files/{hash}',
    'GET /templates/{templateID}/builds/{buildID}/status',
    'GET /templates/{templateID}/builds/{buildID}/logs',
  ]),
  ...later('Changing templates is', [
    'DELETE /templates/{templateID}',
    'DELETE /templates/{namespace}/{name}',
    'PATCH /templates/{templateID}',
    'PATCH /v2/templates/{templateID}',
  ]),
  ...later('Template tags are', [
    'POST /templates/tags',
    'DELETE /templates/tags',
    'GET /templates/{templateID}/tags',
    'GET /templates/{templateID}/tags/count',
    'GET /templates/{templateID}/tags/exists',
    'GET /templates/{templateID}/tags/groups',
    'GET /templates/{templateID}/tags/{tag}/assignments',
  ]),
  ...later('Volumes are', ['GET /volumes', 'POST /volumes', 'GET /volumes/{volumeID}', 'DELETE /volumes/{volumeID}']),
  ...later(
    'Volumes are',
    [
      'GET /volumecontent/{volumeID}/{kind}',
      'POST /volumecontent/{volumeID}/{kind}',
      'PUT /volumecontent/{volumeID}/{kind}',
      'PATCH /volumecontent/{volumeID}/{kind}',
      'DELETE /volumecontent/{volumeID}/{kind}',
    ],
    'none',
  ),
  ...later('Secrets are', [
    'GET /secrets',
    'POST /secrets',
    'GET /secrets/{secretID}',
    'POST /secrets/{secretID}',
    'DELETE /secrets/{secretID}',
  ]),
  ...later('Lifecycle events are', ['GET /events/sandboxes', 'GET /events/sandboxes/{sandboxID}']),
  ...later('Webhooks are', [
    'POST /events/webhooks',
    'GET /events/webhooks',
    'GET /events/webhooks/{webhookID}',
    'PATCH /events/webhooks/{webhookID}',
    'DELETE /events/webhooks/{webhookID}',
  ]),
  ...later('Cancelling builds is', ['POST /admin/teams/{teamID}/builds/cancel'], 'admin'),
  ...gone(['/templates', '/v2/templates', '/templates/{templateID}', '/templates/{templateID}/builds/{buildID}']),
];
