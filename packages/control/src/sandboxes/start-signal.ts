/** What ended a start before it was done. */
export type StartInterruption = 'took_too_long' | 'server_closing' | 'client_gone';

/**
 * The signal of one start, raised by whatever comes first. Written out instead of AbortSignal.any, because the
 * timers and listeners of a thousand creates must not outlive them.
 */
export class StartSignal {
  readonly #controller = new AbortController();
  readonly #release: (() => void)[] = [];
  #cause: StartInterruption | undefined;

  constructor(sources: { timeoutMs: number; closing: AbortSignal; abandoned: AbortSignal | undefined }) {
    const timer = setTimeout(() => this.#abort('took_too_long'), sources.timeoutMs);
    this.#release.push(() => clearTimeout(timer));
    this.#follow(sources.closing, 'server_closing');
    if (sources.abandoned) this.#follow(sources.abandoned, 'client_gone');
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get cause(): StartInterruption | undefined {
    return this.#cause;
  }

  close(): void {
    for (const release of this.#release.splice(0)) release();
  }

  #follow(source: AbortSignal, cause: StartInterruption): void {
    if (source.aborted) {
      this.#abort(cause);
      return;
    }
    const listener = () => this.#abort(cause);
    source.addEventListener('abort', listener, { once: true });
    this.#release.push(() => source.removeEventListener('abort', listener));
  }

  #abort(cause: StartInterruption): void {
    this.#cause ??= cause;
    this.#controller.abort();
  }
}
