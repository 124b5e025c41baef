/** A failure that the person at the terminal can cure: shown without a stack, with what to do next. */
export class CliError extends Error {
  /** What to do, as a sentence or a command line. */
  readonly remedy: string | undefined;

  constructor(message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'CliError';
    this.remedy = options.remedy;
  }
}

/** The text shown for any failure: our own with their remedy, unexpected ones with their stack. */
export function describeFailure(error: unknown): string {
  if (error instanceof CliError) {
    return error.remedy === undefined ? error.message : `${error.message}\n\n  ${error.remedy}\n`;
  }
  if (!(error instanceof Error)) return String(error);
  if ('remedy' in error && typeof error.remedy === 'string') {
    const cause = error.cause instanceof Error ? `\nCause: ${error.cause.stack ?? error.cause.message}` : '';
    return `${error.message} ${error.remedy}${cause}`;
  }
  return error.stack ?? error.message;
}
