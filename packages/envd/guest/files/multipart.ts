import { EnvdError } from '../errors.ts';

/** Largest header block of one part, in bytes. */
const MAX_PART_HEADER_BYTES = 16 * 1024;

/** One part of a multipart body. Its content must be read to the end, or left, before the next part is asked for. */
export interface Part {
  /** Field name of a form. */
  readonly name: string | undefined;
  /** The full file name as sent, directories included. */
  readonly fileName: string | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

/** The boundary of a multipart content type, undefined for other types. */
export function boundaryOf(contentType: string): string | undefined {
  if (!/^multipart\//i.test(contentType.trim())) return undefined;
  const match = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;]{1,200}))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw new EnvdError('invalid_argument', 'no multipart boundary param in Content-Type');
  return boundary;
}

/** Splits a multipart body (RFC 2046, 5.1) as it arrives, holding little more than one chunk in memory. */
export async function* readParts(body: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part> {
  const source = new Source(body);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter has no line break before it when the body begins with it.
  source.prepend(Buffer.from('\r\n'));
  for await (const _ of source.until(delimiter));
  while (!(await isLastDelimiter(source))) {
    const headers = parseHeaders(await readHeaderBlock(source));
    const content = source.until(delimiter);
    yield { ...headers, content };
    for await (const _ of content);
  }
}

async function isLastDelimiter(source: Source): Promise<boolean> {
  const next = await source.peek(2);
  if (next.toString('latin1') === '--') return true;
  const line = await source.line(MAX_PART_HEADER_BYTES);
  if (line.trim() !== '') throw malformed('a boundary is followed by something else');
  return false;
}

async function readHeaderBlock(source: Source): Promise<string[]> {
  const lines: string[] = [];
  for (let size = 0; size < MAX_PART_HEADER_BYTES; ) {
    const line = await source.line(MAX_PART_HEADER_BYTES);
    if (line === '') return lines;
    lines.push(line);
    size += line.length;
  }
  throw malformed('the header of a part is too large');
}

function parseHeaders(lines: readonly string[]): { name: string | undefined; fileName: string | undefined } {
  const disposition = lines.find((line) => /^content-disposition\s*:/i.test(line)) ?? '';
  const parameters = new Map<string, string>();
  const pattern = /;\s*([\w*]+)=(?:"((?:\\.|[^"\\])*)"|([^;\s]*))/g;
  for (const [, key = '', quoted, token = ''] of disposition.matchAll(pattern)) {
    parameters.set(key.toLowerCase(), quoted === undefined ? token : quoted.replace(/\\(["\\])/g, '$1'));
  }
  return {
    name: parameters.get('name'),
    fileName: extendedValue(parameters.get('filename*')) ?? parameters.get('filename'),
  };
}

/** `utf-8''percent%20encoded` of RFC 5987. */
function extendedValue(text: string | undefined): string | undefined {
  const match = /^utf-8'[^']*'(.*)$/i.exec(text ?? '');
  if (match?.[1] === undefined) return undefined;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    throw malformed('a file name is not properly encoded');
  }
}

/** A body with a place in it. */
class Source {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#chunks = body[Symbol.asyncIterator]();
  }

  prepend(bytes: Buffer): void {
    this.#buffer = Buffer.concat([bytes, this.#buffer]);
  }

  /** Everything before the delimiter, which is consumed. Can be asked again after it has ended. */
  until(delimiter: Buffer): AsyncIterable<Uint8Array> {
    let ended = false;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      while (!ended) {
        const found = this.#buffer.indexOf(delimiter);
        if (found >= 0) {
          ended = true;
          const rest = this.#take(found);
          this.#take(delimiter.length);
          if (rest.length > 0) return { done: false, value: rest };
          break;
        }
        // The last bytes may be the delimiter's first ones.
        const safe = this.#buffer.length - delimiter.length + 1;
        if (safe > 0) return { done: false, value: this.#take(safe) };
        await this.#more();
      }
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async peek(length: number): Promise<Buffer> {
    while (this.#buffer.length < length) await this.#more();
    return this.#buffer.subarray(0, length);
  }

  /** The next line, without its end. */
  async line(limit: number): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#take(end).toString('utf8');
        this.#take(2);
        return line;
      }
      if (this.#buffer.length > limit) throw malformed('a line is too long');
      await this.#more();
    }
  }

  #take(length: number): Buffer {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) throw malformed('the body ends too early');
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#buffer, next.value]);
  }
}

function malformed(what: string): EnvdError {
  return new EnvdError('invalid_argument', `error parsing multipart form: ${what}`);
}
