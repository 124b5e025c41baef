import { EnvdError } from './errors.ts';

/** How long a body may stay silent, in milliseconds, before its upload is given up. */
const BODY_IDLE_MS = 90_000;

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
    await reader.cancel().catch(() => {});
  }
}
