import { ENVD_PORT } from '@atoll/contract';
import { connectEnvelope, readConnectEnvelopes } from './connect-stream.ts';

/** Where a sandbox is reached: the edge, the id, and the token of a secured one. */
export interface SandboxAccess {
  readonly sandboxUrl: string;
  readonly sandboxId: string;
  readonly accessToken?: string | undefined;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longest wait for one call into a sandbox. */
const DEADLINE_MS = 60_000;

/** Runs a shell command to its end, as the official clients do: `bash -l -c`. */
export async function runCommand(access: SandboxAccess, command: string): Promise<CommandResult> {
  const response = await reach(access, ENVD_PORT, '/process.Process/Start', {
    method: 'POST',
    headers: { 'Content-Type': 'application/connect+json', 'Connect-Protocol-Version': '1' },
    body: connectEnvelope({ process: { cmd: '/bin/bash', args: ['-l', '-c', command] } }),
  });
  await refuseFailure(response, 'starting a command');
  const output = { stdout: '', stderr: '' };
  let exitCode: number | undefined;
  const decode = (base64: string | undefined) => Buffer.from(base64 ?? '', 'base64').toString();
  for await (const message of readConnectEnvelopes(response)) {
    const event = (message as { event?: ProcessEvent }).event;
    output.stdout += decode(event?.data?.stdout);
    output.stderr += decode(event?.data?.stderr);
    // Proto3 JSON leaves out a zero.
    if (event?.end !== undefined) exitCode = event.end.exitCode ?? 0;
  }
  if (exitCode === undefined) throw new Error(`The stream of "${command}" ended before the command did.`);
  return { exitCode, ...output };
}

/** The part of process.ProcessEvent that we read; bytes are base64 in JSON. */
interface ProcessEvent {
  readonly data?: { readonly stdout?: string; readonly stderr?: string };
  readonly end?: { readonly exitCode?: number };
}

/** Starts a command and leaves it running when the connection ends. */
export async function startInBackground(access: SandboxAccess, command: string): Promise<void> {
  const detached = `nohup bash -c ${quote(command)} >/tmp/background.log 2>&1 & disown`;
  await runCommand(access, detached);
}

export async function writeFile(access: SandboxAccess, path: string, content: string): Promise<void> {
  const form = new FormData();
  form.append('file', new Blob([content]), path);
  const response = await reach(access, ENVD_PORT, `/files?path=${encodeURIComponent(path)}`, {
    method: 'POST',
    body: form,
  });
  await refuseFailure(response, `writing ${path}`);
  await response.body?.cancel();
}

export async function readFile(access: SandboxAccess, path: string): Promise<string> {
  const response = await reach(access, ENVD_PORT, `/files?path=${encodeURIComponent(path)}`);
  await refuseFailure(response, `reading ${path}`);
  return response.text();
}

/** A request to any port of the sandbox, through the edge. */
export function reach(access: SandboxAccess, port: number, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('E2b-Sandbox-Id', access.sandboxId);
  headers.set('E2b-Sandbox-Port', String(port));
  // envd's token is for envd: a program on another port has no business seeing it.
  if (port === ENVD_PORT && access.accessToken !== undefined) headers.set('X-Access-Token', access.accessToken);
  return fetch(`${access.sandboxUrl}${path}`, { ...init, headers, signal: AbortSignal.timeout(DEADLINE_MS) });
}

async function refuseFailure(response: Response, doing: string): Promise<void> {
  if (response.ok) return;
  throw new Error(`${doing} was answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
