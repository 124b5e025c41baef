import type { SandboxAddress } from '@atoll/contract';
import { ENVD_PORT } from '@atoll/contract';

/** Why the edge answers a request itself. Plain data; `answer.ts` renders it. */
export interface Refusal {
  readonly status: number;
  /** `text`: always plain text (malformed addresses and the like); `page`: JSON, or HTML for a browser's navigation. */
  readonly form: 'text' | 'page';
  /** Goes on the wire. Clients search some of these texts, see the functions below. */
  readonly message: string;
  /** Heading of the HTML page. */
  readonly title: string;
  /** What a person can do next, one sentence each. */
  readonly advice: readonly string[];
  /** Further members of the JSON object. */
  readonly details: Readonly<Record<string, string | number>>;
  /** Seconds after which a repeat may succeed; absent when repeating does not help. */
  readonly retryAfterSeconds?: number;
}

function page(status: number, title: string, message: string, more: Partial<Refusal> = {}): Refusal {
  return { status, form: 'page', title, message, advice: [], details: {}, ...more };
}

function text(status: number, message: string, advice: readonly string[] = []): Refusal {
  return { status, form: 'text', title: message, message, advice, details: {} };
}

export const invalidHost = (domain: string | undefined): Refusal =>
  text(400, 'Invalid host', [
    `Use <port>-<sandbox id>.${domain ?? '<domain>'}, or send E2b-Sandbox-Id and E2b-Sandbox-Port to the sandbox URL.`,
  ]);

export const invalidPort = (): Refusal => text(400, 'Invalid sandbox port', ['Ports are decimal, 1 to 65535.']);

export const invalidSandboxId = (): Refusal =>
  text(400, 'Invalid sandbox ID', ['Ids are lower-case letters and digits.']);

export const missingRoutingHeader = (): Refusal =>
  text(400, 'missing header', [
    'Send both E2b-Sandbox-Id and E2b-Sandbox-Port, or use the host <port>-<sandbox id>.<domain>.',
  ]);

export const malformedRequest = (why: string): Refusal => text(400, `Bad request: ${why}`);

export const headersTooLarge = (): Refusal => text(431, 'Request header fields too large');

export const methodNotAllowed = (method: string): Refusal => text(405, `The method ${method} is not proxied.`);

/** The words `was not found` are searched by clients: the sandbox is gone. */
export const sandboxNotFound = (sandboxId: string): Refusal =>
  page(502, 'No such sandbox', 'The sandbox was not found', {
    details: { sandboxId },
    advice: [
      'It may have reached its deadline, been killed or paused, or never existed.',
      'List what runs with `atoll ps`, or create a new sandbox and use its address.',
    ],
  });

/** No sandbox has the access token that came without an id. */
export const noSandboxOfToken = (): Refusal =>
  page(502, 'No such sandbox', 'The sandbox was not found: no running sandbox has this access token.', {
    advice: ['It may have been killed or paused, or the token belongs to another server.'],
  });

/** A signed URL without an id that no sandbox's token yields. */
export const noSandboxOfSignature = (domain: string | undefined): Refusal => {
  const form = `https://${ENVD_PORT}-<sandbox id>.${domain ?? '<domain>'}/files?…`;
  return page(
    502,
    'No sandbox for this link',
    `The sandbox was not found: no running sandbox made this signature. Signed links of the domain form name their sandbox: ${form}`,
    { advice: ['The sandbox may have been killed or paused, or the link was changed.', `Use the form ${form}`] },
  );
};

export const signatureSearchBusy = (): Refusal =>
  page(429, 'Too many signed links', 'Too many signed links without a sandbox id are being looked up.', {
    retryAfterSeconds: 1,
    advice: [`Try again in a second, or use ${ENVD_PORT}-<sandbox id>.<domain>, which needs no look-up.`],
  });

/** The words `port is not open` are searched by clients: the sandbox runs, nothing listens. */
export const portNotOpen = ({ sandboxId, port }: SandboxAddress): Refusal =>
  page(502, `Nothing listens on port ${port}`, 'The sandbox is running but port is not open', {
    details: { sandboxId, port },
    advice: [
      `Start a server in the sandbox that listens on port ${port}, then load this page again.`,
      `\`ss -ltn\` in the sandbox lists the ports that are open.`,
    ],
  });

/** The sandbox neither accepts nor refuses: another text on purpose, clients then report "state unknown". */
export const sandboxSilent = ({ sandboxId, port }: SandboxAddress): Refusal =>
  page(502, 'The sandbox does not answer', `The sandbox did not accept a connection to port ${port} in time`, {
    details: { sandboxId, port },
    advice: ['It may be overloaded. Try again in a moment.'],
  });

/** The connection was made and then broken before an answer. */
export const answerBroken = ({ sandboxId, port }: SandboxAddress): Refusal =>
  page(502, 'No answer', `The server on port ${port} closed the connection without an answer`, {
    details: { sandboxId, port },
    advice: [`Look at the output of the program that listens on port ${port}.`],
  });

export const trafficTokenMissing = (sandboxId: string): Refusal =>
  page(
    403,
    'This sandbox is private',
    "The sandbox is secured with traffic access token. Token header 'e2b-traffic-access-token' is missing",
    {
      details: { sandboxId },
      advice: ['Send the trafficAccessToken of the sandbox in the header e2b-traffic-access-token.'],
    },
  );

export const trafficTokenInvalid = (sandboxId: string): Refusal =>
  page(
    403,
    'This sandbox is private',
    'The sandbox is secured with traffic access token. Provided traffic access token is invalid',
    {
      details: { sandboxId },
      advice: ['Use the trafficAccessToken that create or connect returned for this sandbox.'],
    },
  );

export const portDenied = ({ sandboxId, port }: SandboxAddress): Refusal =>
  page(403, `Port ${port} is closed by a rule`, `Port ${port} of the sandbox is denied by its network.ports rules`, {
    details: { sandboxId, port },
    advice: [`Remove the deny rule for port ${port} from the sandbox's network settings.`],
  });

export const reservedPath = (path: string): Refusal =>
  page(404, 'Reserved path', 'This path is reserved for the control plane', { details: { path } });

export const connectionLimitReached = (sandboxId: string, connectionLimit: number): Refusal =>
  page(429, 'Too many connections', `The sandbox has reached its limit of ${connectionLimit} connections at once`, {
    details: { sandboxId, connectionLimit },
    retryAfterSeconds: 1,
    advice: ['Close connections that are no longer needed, or raise the limit in the settings.'],
  });

export const apiUnreachable = (): Refusal =>
  page(502, 'The API does not answer', 'The API behind this address does not answer', {
    advice: ['Look at `atoll status` and the server log.'],
  });
