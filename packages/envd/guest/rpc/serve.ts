import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { EnvdError, HTTP_STATUS_OF_CODE } from '../errors.ts';
import { readBounded } from '../request-body.ts';
import { type Codec, checkCompression, codecOf, gunzipMessage, MAX_MESSAGE_BYTES } from './codec.ts';
import { endEnvelope, messageEnvelope, readEnvelopes } from './envelope.ts';
import type { CallContext, Method } from './method.ts';

/** Answers one call by the Connect protocol: unary or streaming, JSON or binary. Never throws. */
export async function serveCall(method: Method, request: Request): Promise<Response> {
  if (request.method !== 'POST') return new Response(null, { status: 405, headers: { allow: 'POST' } });
  const type = codecOf(request.headers.get('content-type'));
  if (type === undefined || type.streaming !== (method.kind !== 'unary')) return unsupportedMediaType(method);
  return method.kind === 'unary' ? serveUnary(method, request, type.codec) : serveStream(method, request, type.codec);
}

async function serveUnary(method: Method & { kind: 'unary' }, request: Request, codec: Codec): Promise<Response> {
  try {
    const context = contextOf(request);
    const compression = checkCompression(request.headers.get('content-encoding'));
    const body = await readBounded(request, MAX_MESSAGE_BYTES);
    const message = codec.decode(method.input, compression === 'gzip' ? gunzipMessage(body) : body);
    const answer = await withDeadline(Promise.resolve(method.call(message, context)), context.timeoutMs);
    return new Response(codec.encode(method.output, answer), {
      headers: { 'content-type': `application/${codec.name}` },
    });
  } catch (thrown) {
    const error = EnvdError.from(thrown);
    // 507 is no status of the protocol. The content type is compared as a text by some clients: no charset.
    return new Response(JSON.stringify({ code: error.code, message: error.message }), {
      status: HTTP_STATUS_OF_CODE[error.code],
      headers: { 'content-type': 'application/json' },
    });
  }
}

async function serveStream(
  method: Exclude<Method, { kind: 'unary' }>,
  request: Request,
  codec: Codec,
): Promise<Response> {
  const headers = { 'content-type': `application/connect+${codec.name}` };
  try {
    const context = contextOf(request);
    const compression = checkCompression(request.headers.get('connect-content-encoding'));
    const messages = decodeAll(readEnvelopes(request.body ?? emptyBody(), compression), method.input, codec);
    if (method.kind === 'client_streaming') {
      const answer = await withDeadline(method.call(messages, context), context.timeoutMs);
      const bytes = Buffer.concat([messageEnvelope(codec.encode(method.output, answer)), endEnvelope()]);
      return new Response(bytes, { headers });
    }
    const first = await messages.next();
    if (first.done) throw new EnvdError('invalid_argument', 'protocol error: the request holds no message');
    const answers = await method.call(first.value, context);
    return new Response(answerStream(answers, method.output, codec, context.timeoutMs), { headers });
  } catch (error) {
    // Streams answer 200 once the type is known; the error is in the last envelope.
    return new Response(endEnvelope(EnvdError.from(error)), { headers });
  }
}

/** The answers as a body: pulled one by one, so that a slow client holds the producer. */
function answerStream<D extends DescMessage>(
  answers: AsyncIterator<MessageInitShape<D>>,
  schema: D,
  codec: Codec,
  timeoutMs: number | undefined,
): ReadableStream<Uint8Array> {
  let deadline: NodeJS.Timeout | undefined;
  let finished = false;
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>, error?: EnvdError) => {
    if (finished) return;
    finished = true;
    clearTimeout(deadline);
    controller.enqueue(endEnvelope(error));
    controller.close();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (timeoutMs === undefined) return;
        deadline = setTimeout(() => {
          finish(controller, deadlineExceeded());
          void answers.return?.();
        }, timeoutMs);
      },
      async pull(controller) {
        try {
          const next = await answers.next();
          if (finished) return;
          if (next.done) finish(controller);
          else controller.enqueue(messageEnvelope(codec.encode(schema, next.value)));
        } catch (error) {
          finish(controller, EnvdError.from(error));
        }
      },
      async cancel() {
        finished = true;
        clearTimeout(deadline);
        await answers.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

function contextOf(request: Request): CallContext {
  const text = request.headers.get('connect-timeout-ms');
  if (text === null || text === '') return { headers: request.headers, timeoutMs: undefined };
  if (!/^\d{1,10}$/.test(text)) {
    throw new EnvdError('invalid_argument', `protocol error: invalid timeout: "${text}"`);
  }
  // A timer cannot be longer than 2^31 - 1 ms; 24 days are as good as no limit.
  const timeoutMs = Math.min(Number(text), 2 ** 31 - 1);
  return { headers: request.headers, timeoutMs: timeoutMs === 0 ? undefined : timeoutMs };
}

async function withDeadline<T>(work: Promise<T>, timeoutMs: number | undefined): Promise<T> {
  if (timeoutMs === undefined) return work;
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(deadlineExceeded()), timeoutMs);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

function deadlineExceeded(): EnvdError {
  return new EnvdError('deadline_exceeded', 'context deadline exceeded');
}

async function* decodeAll<D extends DescMessage>(envelopes: AsyncIterable<Uint8Array>, schema: D, codec: Codec) {
  for await (const envelope of envelopes) yield codec.decode(schema, envelope);
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

/** Also what sends clients that wrap every call in an envelope back to the plain form. */
function unsupportedMediaType(method: Method): Response {
  const accepted =
    method.kind === 'unary'
      ? 'application/json, application/proto'
      : 'application/connect+json, application/connect+proto';
  return new Response(null, { status: 415, headers: { 'accept-post': accepted } });
}
