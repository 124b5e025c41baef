import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A log longer than this is put aside at the next start; one older log is kept. */
const ROTATE_FROM_BYTES = 64 * 1024 * 1024;
/** How much of the end of a log is read at most. */
const TAIL_BYTES = 256 * 1024;

/** Where a detached server writes its log. */
export function logFile(dataDir: string): string {
  return join(dataDir, 'log', 'server.log');
}

/** Opens the log for appending. Returns the descriptor and how long the log already is. */
export function openLogFile(dataDir: string): { descriptor: number; length: number } {
  const path = logFile(dataDir);
  mkdirSync(join(dataDir, 'log'), { recursive: true, mode: 0o700 });
  if (existsSync(path) && statSync(path).size > ROTATE_FROM_BYTES) renameSync(path, `${path}.1`);
  const descriptor = openSync(path, 'a', 0o600);
  return { descriptor, length: statSync(path).size };
}

/** The last lines of the log that were written after its byte `from`. */
export function lastLines(dataDir: string, count: number, from = 0): string[] {
  const path = logFile(dataDir);
  if (!existsSync(path)) return [];
  const { size } = statSync(path);
  const start = Math.max(from, size - TAIL_BYTES, 0);
  const buffer = Buffer.alloc(Math.max(size - start, 0));
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, buffer, 0, buffer.length, start);
  } finally {
    closeSync(descriptor);
  }
  return buffer
    .toString()
    .trimEnd()
    .split('\n')
    .slice(-count)
    .filter((line) => line !== '');
}
