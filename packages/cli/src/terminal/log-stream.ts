import { Writable } from 'node:stream';

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info ', 40: 'warn ', 50: 'ERROR', 60: 'FATAL' };
/** Fields that the line shows in another way, or that say the same in every line. */
const HIDDEN = new Set(['level', 'time', 'msg', 'pid', 'hostname', 'err', 'name']);

/** Takes pino's JSON lines and writes them as text for people. */
export function prettyLogStream(stream: NodeJS.WritableStream): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      for (const line of String(chunk).split('\n')) if (line !== '') stream.write(`${prettyLine(line)}\n`);
      done();
    },
  });
}

/** One JSON line of pino as text; anything else unchanged. */
export function prettyLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line);
  } catch {
    return line;
  }
  const time = new Date(Number(entry.time)).toISOString().slice(11, 23);
  const fields = Object.entries(entry)
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const error = entry.err as { stack?: string; message?: string } | undefined;
  const trace = error === undefined ? '' : `\n  ${(error.stack ?? error.message ?? '').replaceAll('\n', '\n  ')}`;
  return [time, LEVELS[Number(entry.level)] ?? '?', String(entry.msg ?? ''), ...fields].join(' ') + trace;
}
