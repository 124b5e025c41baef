import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AtollError } from '@atoll/contract';

/**
 * What runsc keeps in its root folder, by the names of the pinned version: `<id>_sandbox:<id>.state` (JSON) and
 * `.lock`, `runsc-<id>.sock` (control socket), `null-netns` (shared, see below).
 */
const STATE_FILE = /^([a-z0-9]+)_sandbox:\1\.state$/;

function fileNames(id: string): string[] {
  return [`${id}_sandbox:${id}.state`, `${id}_sandbox:${id}.lock`, `runsc-${id}.sock`];
}

/** Host processes that are the guest's kernel: it itself, and the file server beside it. */
export interface GuestKernelProcesses {
  readonly sandboxPid: number;
  readonly goferPid: number;
}

/** Reads who the guest's kernel is. Throws when runsc has no state of the guest. */
export async function readGuestKernel(root: string, id: string): Promise<GuestKernelProcesses> {
  const text = await readFile(join(root, `${id}_sandbox:${id}.state`), 'utf8');
  const state = JSON.parse(text) as { goferPid?: unknown; sandbox?: { pid?: unknown } };
  const sandboxPid = state.sandbox?.pid;
  if (typeof sandboxPid !== 'number' || sandboxPid <= 0 || typeof state.goferPid !== 'number') {
    throw new AtollError('internal_server_error', `runsc's state of guest ${id} names no processes.`);
  }
  return { sandboxPid, goferPid: state.goferPid };
}

/** Guests that runsc has a state of. */
export async function listRunscGuests(root: string): Promise<string[]> {
  const names = await readdir(root);
  return names.flatMap((name) => STATE_FILE.exec(name)?.[1] ?? []);
}

/** What `runsc delete` would remove of a guest whose processes have ended. */
export async function removeRunscFiles(root: string, id: string): Promise<void> {
  await Promise.all(fileNames(id).map((name) => rm(join(root, name), { force: true })));
}

/**
 * runsc pins an empty network namespace for all its file servers by a bind mount, sometimes by several on top of each
 * other, and never removes it.
 */
export async function unpinNullNetwork(root: string): Promise<void> {
  const path = join(root, 'null-netns');
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const layers = mounts.filter((line) => line.split(' ')[4] === path).length;
  for (let i = 0; i < layers; i += 1) await promisify(execFile)('umount', [path]);
  await rm(path, { force: true });
}
