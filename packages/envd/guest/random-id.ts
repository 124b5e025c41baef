import { closeSync, openSync, readSync } from 'node:fs';

/**
 * 128 random bits as text. From the kernel each time: random state of our own would be the same in every sandbox that
 * was restored from one memory snapshot.
 */
export function randomId(): string {
  const bytes = Buffer.alloc(16);
  const descriptor = openSync('/dev/urandom', 'r');
  try {
    readSync(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
  return bytes.toString('hex');
}
