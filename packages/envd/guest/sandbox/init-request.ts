import { EnvdError } from '../errors.ts';

/** The body of POST /init, checked. Everything is optional. */
export interface InitRequest {
  readonly envVars: Readonly<Record<string, string>> | undefined;
  readonly accessToken: string | undefined;
  /** Unix milliseconds. */
  readonly timestamp: number | undefined;
  readonly defaultUser: string | undefined;
  readonly defaultWorkdir: string | undefined;
  readonly hyperloopIp: string | undefined;
  readonly lifecycleId: string | undefined;
  readonly caBundle: string | undefined;
  readonly sandboxId: string | undefined;
  readonly templateId: string | undefined;
  readonly hostname: string | undefined;
  readonly randomSeed: Uint8Array | undefined;
}

/** What a host name may be made of; it is written into files. */
const HOSTNAME = /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$/;

/** Throws `invalid_argument` when the body is no JSON object or a field has the wrong type. */
export function parseInit(bytes: Uint8Array): InitRequest {
  const body = parseObject(new TextDecoder().decode(bytes));
  const volumeMounts = body.volumeMounts ?? [];
  if (!Array.isArray(volumeMounts) || volumeMounts.length > 0) {
    throw new EnvdError('unimplemented', 'volumeMounts are not supported');
  }
  const hostname = text(body, 'hostname');
  if (hostname !== undefined && !HOSTNAME.test(hostname)) throw wrong('hostname', 'a host name');
  return {
    envVars: variables(body.envVars),
    accessToken: text(body, 'accessToken'),
    timestamp: timestamp(text(body, 'timestamp')),
    defaultUser: text(body, 'defaultUser'),
    defaultWorkdir: text(body, 'defaultWorkdir'),
    hyperloopIp: text(body, 'hyperloopIP'),
    lifecycleId: text(body, 'lifecycleID'),
    caBundle: text(body, 'caBundle'),
    sandboxId: text(body, 'sandboxId'),
    templateId: text(body, 'templateId'),
    hostname,
    randomSeed: seed(text(body, 'randomSeed')),
  };
}

function parseObject(json: string): Record<string, unknown> {
  if (json.trim() === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new EnvdError('invalid_argument', 'the body is no valid JSON', { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new EnvdError('invalid_argument', 'the body must be a JSON object');
  }
  return parsed as Record<string, unknown>;
}

/** A text field; empty counts as absent. */
function text(body: Record<string, unknown>, field: string): string | undefined {
  const found = body[field];
  if (found === undefined || found === null || found === '') return undefined;
  if (typeof found !== 'string' || found.includes('\0')) throw wrong(field, 'a text');
  return found;
}

function variables(found: unknown): Record<string, string> | undefined {
  if (found === undefined || found === null) return undefined;
  if (typeof found !== 'object' || Array.isArray(found)) throw wrong('envVars', 'an object');
  const entries = Object.entries(found);
  for (const [name, content] of entries) {
    if (typeof content !== 'string') throw wrong(`envVars.${name}`, 'a text');
    if (name === '' || /[=\0]/.test(name) || content.includes('\0')) throw wrong('envVars', 'valid variables');
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function timestamp(found: string | undefined): number | undefined {
  if (found === undefined) return undefined;
  const time = Date.parse(found);
  if (Number.isNaN(time)) throw wrong('timestamp', 'an RFC 3339 time');
  return time;
}

function seed(found: string | undefined): Uint8Array | undefined {
  return found === undefined ? undefined : Buffer.from(found, 'base64');
}

function wrong(field: string, expected: string): EnvdError {
  return new EnvdError('invalid_argument', `${field} must be ${expected}`);
}
