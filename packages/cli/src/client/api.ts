/** Where a server is and the key to it. */
export interface ApiAddress {
  readonly apiUrl: string;
  readonly apiKey: string;
}

/** The fields of a created sandbox that we use. */
export interface CreatedSandbox {
  readonly sandboxID: string;
  readonly envdAccessToken?: string;
}

/** The fields of a listed sandbox that we use. */
export interface ListedSandbox {
  readonly sandboxID: string;
  readonly templateID: string;
  readonly alias?: string;
  readonly state: string;
  readonly startedAt: string;
  readonly endAt: string;
  readonly cpuCount: number;
  readonly memoryMB: number;
}

/** Longest wait for one answer of the API. */
const DEADLINE_MS = 60_000;

/** A refusal of the API, with its own words. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

export async function createSandbox(
  api: ApiAddress,
  request: { templateID: string; timeout: number; secure?: boolean; metadata?: Record<string, string> },
): Promise<CreatedSandbox> {
  return (await call(api, 'POST', '/v2/sandboxes', request)) as CreatedSandbox;
}

export async function killSandbox(api: ApiAddress, sandboxId: string): Promise<void> {
  await call(api, 'DELETE', `/sandboxes/${sandboxId}`);
}

/** All sandboxes of the key's team, page by page. */
export async function listSandboxes(api: ApiAddress): Promise<ListedSandbox[]> {
  const found: ListedSandbox[] = [];
  let next: string | null = '';
  while (next !== null) {
    const query: string = next === '' ? '' : `?nextToken=${encodeURIComponent(next)}`;
    const response: Response = await request(api, 'GET', `/v2/sandboxes${query}`);
    found.push(...((await response.json()) as ListedSandbox[]));
    next = response.headers.get('x-next-token');
  }
  return found;
}

async function call(api: ApiAddress, method: string, path: string, body?: object): Promise<unknown> {
  const response = await request(api, method, path, body);
  return response.status === 204 ? undefined : response.json();
}

async function request(api: ApiAddress, method: string, path: string, body?: object): Promise<Response> {
  const response = await fetch(`${api.apiUrl}${path}`, {
    method,
    headers: { 'X-API-Key': api.apiKey, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    message = JSON.parse(text).message ?? text;
  } catch {
    // Not JSON: the text itself says what happened.
  }
  throw new ApiError(response.status, `${method} ${path} was answered ${response.status}: ${message}`);
}
