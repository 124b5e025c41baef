import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { AtollError } from '@atoll/contract';
import { HostToolError, runHostTool } from './host-tool.ts';

/** How long an unmount may stay busy: the kernel lets go of a mount a moment after its last user has died. */
const BUSY_DEADLINE_MS = 2_000;
const BUSY_POLL_MS = 5;

/** One line of /proc/self/mountinfo, as far as it matters here. */
export interface MountEntry {
  readonly mountPoint: string;
  readonly filesystemType: string;
}

/** All mounts of this mount namespace, in the order they were made. */
export async function readMounts(): Promise<MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Format: proc(5), /proc/pid/mountinfo. */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const mountPoint = fields[4];
    const filesystemType = fields[fields.indexOf('-', 6) + 1];
    if (mountPoint === undefined || filesystemType === undefined) continue;
    entries.push({ mountPoint: unescapeOctal(mountPoint), filesystemType });
  }
  return entries;
}

/** The kernel writes space, tab, newline and backslash as `\040` and the like. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** Unmounts; not mounted is not an error. Waits a while for a busy mount, then says who may hold it. */
export async function unmount(mountPoint: string): Promise<void> {
  const deadline = Date.now() + BUSY_DEADLINE_MS;
  for (;;) {
    try {
      await runHostTool('umount', [mountPoint]);
      return;
    } catch (error) {
      if (!(error instanceof HostToolError)) throw error;
      if (/not mounted|no mount point|not found|no such file/i.test(error.stderr)) return;
      if (!/busy/.test(error.stderr)) throw error;
      if (Date.now() > deadline) {
        throw new AtollError('conflict', `${mountPoint} is still in use: a process has it open or works in it.`, {
          cause: error,
        });
      }
    }
    // The kernel has no event for "no longer busy".
    await delay(BUSY_POLL_MS);
  }
}

/** The files behind all loop devices in use: device path to file path. */
export async function readLoopDevices(): Promise<Map<string, string>> {
  const devices = new Map<string, string>();
  const names = (await readdir('/sys/block').catch(() => [])).filter((name) => name.startsWith('loop'));
  await Promise.all(
    names.map(async (name) => {
      // Only devices in use have the file.
      const text = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => undefined);
      if (text !== undefined) devices.set(`/dev/${name}`, text.trimEnd().replace(/ \(deleted\)$/, ''));
    }),
  );
  return devices;
}

/** Frees the loop devices in use for a file. */
export async function detachLoopDevices(file: string): Promise<void> {
  for (const [device, backing] of await readLoopDevices()) {
    if (backing === file) await runHostTool('losetup', ['--detach', device]);
  }
}
