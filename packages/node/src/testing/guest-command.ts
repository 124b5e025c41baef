import { ENVD_PORT } from '@atoll/contract';

/** What a command in a guest printed and how it ended. */
export interface CommandResult {
  readonly stdout: string;
  readonly exitCode: number;
}

/** Runs a shell command as root in a guest, over envd's Connect protocol with JSON (protocol note envd, 4 and 5). */
export async function runInGuest(address: string, script: string, accessToken?: string): Promise<CommandResult> {
  const request = JSON.stringify({ process: { cmd: '/bin/sh', args: ['-c', script] } });
  const response = await fetch(`http://${address}:${ENVD_PORT}/process.Process/Start`, {
    method: 'POST',
    headers: {
      'content-type': 'application/connect+json',
      'connect-protocol-version': '1',
      authorization: `Basic ${Buffer.from('root:').toString('base64')}`,
      connection: 'close',
      ...(accessToken === undefined ? {} : { 'x-access-token': accessToken }),
    },
    body: envelope(request),
    signal: AbortSignal.timeout(30_000),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  let stdout = '';
  let exitCode = -1;
  for (const message of messagesOf(bytes)) {
    if (message.error !== undefined) throw new Error(`envd: ${JSON.stringify(message.error)}`);
    const { data, end } = message.event ?? {};
    if (data?.stdout !== undefined) stdout += Buffer.from(data.stdout, 'base64').toString('utf8');
    if (end !== undefined) exitCode = end.exitCode ?? 0;
  }
  return { stdout, exitCode };
}

interface StartMessage {
  readonly event?: { readonly data?: { readonly stdout?: string }; readonly end?: { readonly exitCode?: number } };
  readonly error?: unknown;
}

/** One flag byte, four bytes of length, the message. */
function envelope(text: string): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([header, Buffer.from(text)]);
}

function* messagesOf(bytes: Buffer): Generator<StartMessage> {
  for (let offset = 0; offset + 5 <= bytes.length; ) {
    const length = bytes.readUInt32BE(offset + 1);
    // The test asked envd itself, and its assertions check what matters.
    yield JSON.parse(bytes.toString('utf8', offset + 5, offset + 5 + length)) as StartMessage;
    offset += 5 + length;
  }
}
