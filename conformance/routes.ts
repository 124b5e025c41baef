/** A route of E2B's API, and what Atoll does with it today. */
export interface ApiRoute {
  readonly method: string;
  readonly path: string;
  readonly status: 'works' | 'not_implemented' | 'gone';
  /** Operations of the table, or test files, that prove it. */
  readonly proof: string;
}

const WORKS: readonly (readonly [string, string, string])[] = [
  ['GET', '/health', 'conformance/bad-input.test.ts'],
  ['POST', '/v2/sandboxes', 'create, create-options, create-network'],
  ['POST', '/sandboxes', 'create (JavaScript 2.49.0, CLI, Go, Ruby)'],
  ['GET', '/v2/sandboxes', 'list, list-paging'],
  ['GET', '/sandboxes', 'list (Go)'],
  ['GET', '/sandboxes/{sandboxID}', 'info'],
  ['DELETE', '/sandboxes/{sandboxID}', 'kill'],
  ['POST', '/v2/sandboxes/{sandboxID}/connect', 'connect'],
  ['POST', '/sandboxes/{sandboxID}/connect', 'connect (JavaScript 2.49.0, Go, Ruby)'],
  ['POST', '/sandboxes/{sandboxID}/timeout', 'set-timeout, expiry'],
  ['POST', '/sandboxes/{sandboxID}/refreshes', 'refresh'],
  ['PUT', '/sandboxes/{sandboxID}/network', 'network-update'],
  ['GET', '/sandboxes/{sandboxID}/metrics', 'metrics'],
  ['GET', '/sandboxes/metrics', 'conformance/bad-input.test.ts'],
  ['GET', '/sandboxes/{sandboxID}/logs', 'logs (CLI, Ruby)'],
  ['GET', '/v2/sandboxes/{sandboxID}/logs', 'logs (Go)'],
  ['GET', '/teams', 'conformance/bad-input.test.ts'],
  ['GET', '/api-keys', 'conformance/bad-input.test.ts'],
  ['POST', '/api-keys', 'conformance/bad-input.test.ts'],
  ['DELETE', '/api-keys/{apiKeyID}', 'conformance/bad-input.test.ts'],
  ['POST', '/access-tokens', 'packages/control'],
  ['GET', '/nodes', 'conformance/bad-input.test.ts'],
];

const LATER: readonly (readonly [string, string])[] = [
  ['POST', '/sandboxes/{sandboxID}/pause'],
  ['POST', '/sandboxes/{sandboxID}/snapshots'],
  ['GET', '/snapshots'],
  ['POST', '/sandboxes/{sandboxID}/fork'],
  ['POST', '/v3/templates'],
  ['GET', '/volumes'],
  ['POST', '/volumes'],
  ['GET', '/secrets'],
  ['POST', '/secrets'],
];

/** The routes of the reference that clients use, in its order. */
export const ROUTES: readonly ApiRoute[] = [
  ...WORKS.map(([method, path, proof]): ApiRoute => ({ method, path, status: 'works', proof })),
  ...LATER.map(
    ([method, path]): ApiRoute => ({ method, path, status: 'not_implemented', proof: 'conformance/bad-input.test.ts' }),
  ),
];
