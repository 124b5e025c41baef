import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats a check until it holds; its last error when it never does. For what has no event to wait for. */
export async function eventually(check: () => Promise<void>, deadlineMs = 8_000): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
