import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { AtollError } from '@atoll/contract';

/** How long the kernel may take to freeze, end or let go of a group. It takes milliseconds unless the host is starved. */
const SETTLE_DEADLINE_MS = 10_000;
const POLL_MS = 1;

/** Writes a control file of the kernel. */
export async function writeControl(path: string, value: string): Promise<void> {
  // Without O_CREAT: a missing control file is an error, not a new file.
  await writeFile(path, value, { flag: 'r+' });
}

/** The content of a control file; undefined when the group or the file is not there. */
export async function readControl(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trimEnd();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Process ids in a `cgroup.procs` file. */
export async function readProcesses(path: string): Promise<number[]> {
  const text = await readControl(path);
  return text === undefined || text === '' ? [] : text.split('\n').map(Number);
}

/** Files like memory.stat: one `name number` per line. */
export function parseFlatKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) values.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return values;
}

/** Names of the groups below a group; empty when it is not there. */
export async function listChildren(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Removes an empty group, waiting for dying processes to leave it. Not there is not an error. */
export async function removeGroup(directory: string): Promise<void> {
  await untilSettled(`control group ${directory} to become empty`, async () => {
    try {
      await rmdir(directory);
      return true;
    } catch (error) {
      if (isGone(error)) return true;
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
      throw error;
    }
  });
}

/** Removes a group unless there is another one below it. */
export async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isGone(error) && (error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
  }
}

/** Sends SIGKILL to processes; one that has ended meanwhile is fine. */
export function killProcesses(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Asks until the kernel has done it: control groups of version 1 have no event for any of this. */
export async function untilSettled(what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + SETTLE_DEADLINE_MS;
  while (!(await done())) {
    if (Date.now() > deadline) {
      throw new AtollError('internal_server_error', `Waited ${SETTLE_DEADLINE_MS / 1000} s in vain for ${what}.`);
    }
    await delay(POLL_MS);
  }
}

/** ENODEV: the group was removed between opening its file and reading it. */
export function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENODEV';
}
