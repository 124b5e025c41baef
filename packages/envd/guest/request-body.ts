import { EnvdError } from './errors.ts';

/** How long a body may stay silent, in milliseconds, before its upload is given up. */
const BODY_IDLE_MS = 90_000;

/** How much of a body that nobody wants any more is still read, in bytes. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

/** How long that may take, in milliseconds. */
const DISCARD_DEADLINE_MS = 1_000;

/** Reads a whole body into memory. Throws `resource_exhausted` (413) beyond the limit in bytes. */
export async function readBounded(request: Request, limitBytes: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new EnvdError('resource_exhausted', `the request body is larger than ${limitBytes} bytes`, { status: 413 });
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  if (request.headers.has('content-length')) return request.bytes();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > limitBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body chunk by chunk, as it arrives. Throws when it stays silent for too long. */
export async function* readIdleBounded(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  let reject: (error: Error) => void = () => {};
  const timer = setTimeout(
    () => reject(new EnvdError('deadline_exceeded', `no data came for ${BODY_IDLE_MS / 1000} s`, { status: 408 })),
    BODY_IDLE_MS,
  );
  try {
    for (;;) {
      const silence = new Promise<never>((_, rejectSilence) => {
        reject = rejectSilence;
      });
      timer.refresh();
      const next = await Promise.race([reader.read(), silence]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
}

/**
 * Reads and drops what an answer leaves of its request's body: the rest would be in the way of the next request on the
 * connection. False when there is more than that, and the connection must be closed instead.
 */
export async function discardBody(request: Request): Promise<boolean> {
  // A locked body is still being read: the input of a stream.
  if (request.body === null || request.body.locked) return true;
  const reader = request.body.getReader();
  const { promise: late, resolve: giveUp } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => giveUp(undefined), DISCARD_DEADLINE_MS);
  try {
    for (let size = 0; size < MAX_DISCARDED_BYTES; ) {
      const next = await Promise.race([reader.read(), late]);
      if (next === undefined) return false;
      if (next.done) return true;
      size += next.value.length;
    }
    return false;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}
