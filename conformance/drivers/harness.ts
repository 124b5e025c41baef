/** What the drivers that are written in TypeScript share: one JSON line per operation (conformance/README.md). */

/** No operation needs longer on a busy machine; a hanging one must not hold the rest up. */
const OPERATION_DEADLINE_MS = 45_000;

/** One operation; throws what went wrong. The signal is aborted at its deadline. */
export type Operations = Readonly<Record<string, (signal: AbortSignal) => Promise<void>>>;

/** Thrown by an operation that the client does not have. */
export class NotApplicable extends Error {}

/** Runs operations one after another and reports each. */
export async function runOperations(operations: Operations, wanted: readonly string[]): Promise<void> {
  const names = Object.keys(operations).filter((name) => wanted.length === 0 || wanted.includes(name));
  report({ plan: names });
  for (const name of names) {
    const operation = operations[name];
    if (operation === undefined) continue;
    const started = performance.now();
    const result = await attempt(operation);
    report({ operation: name, ...result, ms: Math.round(performance.now() - started) });
  }
}

async function attempt(
  operation: (signal: AbortSignal) => Promise<void>,
): Promise<{ status: string; reason?: string }> {
  const signal = AbortSignal.timeout(OPERATION_DEADLINE_MS);
  const deadline = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`no result within ${OPERATION_DEADLINE_MS} ms`)));
  });
  try {
    await Promise.race([operation(signal), deadline]);
    return { status: 'pass' };
  } catch (error) {
    if (error instanceof NotApplicable) return { status: 'n.a.', reason: error.message };
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { status: 'fail', reason: text.slice(0, 900) };
  }
}

function report(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Asks until the answer is there; the deadline's error names what did not come. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, withinMs = 15_000): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`${what}: not seen within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
