/** Tells what is being done, step by step. */
export interface Progress {
  /**
   * Runs a step under a label. `note` inside it says what it is at; `signal` ends it early. No step begins after that.
   */
  step<T>(label: string, work: (note: (text: string) => void, signal: AbortSignal) => Promise<T>): Promise<T>;
}

/** What happens to a step. Plain data, so that another process can show it. */
export interface ProgressEvent {
  readonly kind: 'begin' | 'note' | 'done' | 'failed';
  readonly label: string;
  readonly note: string;
  readonly elapsedMs: number;
}

export function createProgress(
  listener: (event: ProgressEvent) => void,
  signal: AbortSignal = new AbortController().signal,
): Progress {
  return {
    async step(label, work) {
      signal.throwIfAborted();
      const began = performance.now();
      const tell = (kind: ProgressEvent['kind'], note = '') =>
        listener({ kind, label, note, elapsedMs: performance.now() - began });
      tell('begin');
      try {
        const result = await work((note) => tell('note', note), signal);
        tell('done');
        return result;
      } catch (error) {
        tell('failed');
        throw error;
      }
    },
  };
}

/** Steps that took less are not worth a line. */
const SHOWN_FROM_MS = 300;

/** Shows steps on a terminal as a running line that ends as one line each; elsewhere as plain lines. */
export function progressPrinter(stream: NodeJS.WriteStream): (event: ProgressEvent) => void {
  const terminal = stream.isTTY === true;
  const clear = terminal ? '\r\x1b[K' : '';
  return ({ kind, label, note, elapsedMs }) => {
    if (kind === 'begin' || kind === 'note') {
      const text = `… ${label}${note === '' ? '' : `: ${note}`}`;
      if (terminal) stream.write(`${clear}${text}`);
      else if (kind === 'note') stream.write(`${text}\n`);
      return;
    }
    const mark = kind === 'done' ? '✓' : '✗';
    const worthALine = kind === 'failed' || elapsedMs >= SHOWN_FROM_MS;
    stream.write(worthALine ? `${clear}${mark} ${label} (${(elapsedMs / 1000).toFixed(1)} s)\n` : clear);
  };
}
