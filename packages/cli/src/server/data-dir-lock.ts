import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { CliError } from '../cli-error.ts';

/** Holds a data directory: nobody else may open it. */
export interface DataDirLock {
  release(): Promise<void>;
}

/**
 * Takes the data directory for this process. The lock is a unix socket with an abstract name (unix(7)): the kernel lets
 * it go with the process, however that ends, so there is no stale lock to recognise.
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    waiting.add(socket);
    socket.on('error', () => {}).on('close', () => waiting.delete(socket));
    socket.resume().unref();
  });
  await listen(server, lockName(dataDir)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EADDRINUSE') throw cause;
    throw new CliError(`Another Atoll holds the data directory ${dataDir}.`, {
      remedy: './atoll status   shows it; two instances need two data directories (--data-dir) and other ports',
      cause,
    });
  });
  server.unref();
  return {
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of waiting) socket.destroy();
      }),
  };
}

/** Waits until nobody holds the data directory; rejects with the signal's reason when that takes longer. */
export async function dataDirReleased(dataDir: string, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ path: lockName(dataDir) });
    const giveUp = () => {
      reject(signal.reason);
      socket.destroy();
    };
    signal.addEventListener('abort', giveUp, { once: true });
    // Refused: nobody held it. Closed: its holder let go, or ended.
    socket.on('error', () => {});
    socket.once('close', () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
    socket.resume();
  });
}

function lockName(dataDir: string): string {
  return `\0atoll-${createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 32)}`;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => resolve());
  });
}
