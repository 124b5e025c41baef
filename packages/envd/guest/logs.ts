export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogEntry {
  /** Unix milliseconds. */
  readonly timestamp: number;
  readonly level: LogLevel;
  readonly logger: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** How many entries are kept for the node, which fetches them every few seconds. */
const CAPACITY = 2000;

/** Longest text kept of one field or message, in characters: a command line may be megabytes. */
const MAX_TEXT_LENGTH = 2000;

/** A bounded ring of log entries; readers come with the number of the first entry they have not seen. */
export class LogRing {
  readonly #entries: LogEntry[] = [];
  #firstNumber = 0;

  add(level: LogLevel, logger: string, message: string, fields: Readonly<Record<string, string>> = {}): void {
    const shortFields = Object.fromEntries(Object.entries(fields).map(([key, text]) => [key, shorten(text)]));
    this.#entries.push({ timestamp: Date.now(), level, logger, message: shorten(message), fields: shortFields });
    if (this.#entries.length > CAPACITY) {
      // Dropped in blocks, so that a full ring does not move its content for every entry.
      const dropped = this.#entries.length - CAPACITY / 2;
      this.#entries.splice(0, dropped);
      this.#firstNumber += dropped;
    }
  }

  /** Entries from `cursor` on, and the cursor of the next read. */
  read(cursor: number): { entries: LogEntry[]; next: number } {
    const next = this.#firstNumber + this.#entries.length;
    // A cursor from before a restart of envd lies in the future: begin anew.
    const start = cursor > next ? 0 : Math.max(0, cursor - this.#firstNumber);
    return { entries: this.#entries.slice(start), next };
  }
}

function shorten(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
