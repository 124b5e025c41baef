import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { dirname } from 'node:path';
import type { Settings } from '../settings/schema.ts';
import { type Finding, failure, ok, warning } from './finding.ts';

/** gVisor's systrap platform needs seccomp user notification, complete since 5.10. */
const OLDEST_KERNEL = [5, 10] as const;
const GIB = 1024 ** 3;
const DISK_NEEDED_GIB = 4;
const DISK_WISHED_GIB = 20;
const MEMORY_NEEDED_GIB = 1;
const MEMORY_WISHED_GIB = 4;
const OPEN_FILES_WISHED = 10_000;
/** Controllers that hold a sandbox's limits. */
const CONTROLLERS = ['cpu', 'memory', 'pids'];

/** Everything that can be read off the machine without starting a program. */
export function hostChecks(settings: Settings): Finding[] {
  return [
    checkUser(),
    checkArchitecture(),
    checkKernel(),
    checkFileSystems(),
    checkControlGroups(),
    checkLoopDevices(),
    checkMemory(),
    checkDisk('disk for data', settings.dataDir),
    checkDisk('disk for cache', settings.cacheDir),
    checkOpenFiles(),
    checkForwarding(),
  ];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function checkUser(): Finding {
  if (process.getuid?.() === 0) return ok('user', 'root');
  return failure(
    'user',
    `uid ${process.getuid?.()}`,
    'Namespaces, mounts and firewall rules need root.',
    'sudo ./atoll doctor',
  );
}

function checkArchitecture(): Finding {
  const found = `${process.platform} ${process.arch}, ${availableParallelism()} cores`;
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) return ok('machine', found);
  return failure('machine', found, 'gVisor runs on Linux, x64 and arm64.', 'Use such a machine.');
}

function checkKernel(): Finding {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [wantedMajor, wantedMinor] = OLDEST_KERNEL;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return ok('kernel', release());
  return failure(
    'kernel',
    release(),
    `gVisor needs Linux ${OLDEST_KERNEL.join('.')} or newer.`,
    'Install a newer kernel and restart.',
  );
}

function checkFileSystems(): Finding {
  const known = read('/proc/filesystems');
  const missing = ['overlay', 'ext4'].filter((name) => !new RegExp(`\\s${name}$`, 'm').test(known));
  if (missing.length === 0) return ok('file systems', 'overlay, ext4');
  return warning(
    'file systems',
    `not loaded: ${missing.join(', ')}`,
    'Sandbox disks are ext4 images with an overlay on top; the kernel may still load these by itself.',
    `modprobe ${missing.join(' ')}`,
  );
}

function checkControlGroups(): Finding {
  const unified = read('/sys/fs/cgroup/cgroup.controllers').trim();
  if (unified !== '') {
    const missing = CONTROLLERS.filter((name) => !unified.split(' ').includes(name));
    if (missing.length === 0) return ok('control groups', `v2 (${unified})`);
    return failure(
      'control groups',
      `v2 without ${missing.join(', ')}`,
      'The limits of sandboxes cannot hold.',
      'Enable these controllers: on systemd, Delegate=yes for the service; in a container, run it privileged.',
    );
  }
  const missing = [...CONTROLLERS, 'freezer'].filter((name) => !existsSync(`/sys/fs/cgroup/${name}`));
  if (missing.length === 0) return ok('control groups', 'v1');
  return failure(
    'control groups',
    `v1 without ${missing.join(', ')}`,
    'The limits of sandboxes cannot hold.',
    'Mount the missing hierarchies, or start the kernel with systemd.unified_cgroup_hierarchy=1.',
  );
}

function checkLoopDevices(): Finding {
  if (existsSync('/dev/loop-control')) return ok('loop devices', '/dev/loop-control');
  return failure('loop devices', 'none', 'Each sandbox has a disk image on a loop device.', 'modprobe loop');
}

function checkMemory(): Finding {
  const info = read('/proc/meminfo');
  const kibibytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const available = (kibibytes('MemAvailable') * 1024) / GIB;
  const found = `${available.toFixed(1)} GiB available of ${((kibibytes('MemTotal') * 1024) / GIB).toFixed(1)} GiB`;
  if (available >= MEMORY_WISHED_GIB) return ok('memory', found);
  const cure = 'End other programs, or give the machine more memory.';
  if (available >= MEMORY_NEEDED_GIB) return warning('memory', found, 'Few sandboxes will run at once.', cure);
  return failure('memory', found, `Less than ${MEMORY_NEEDED_GIB} GiB is available.`, cure);
}

function checkDisk(name: string, folder: string): Finding {
  let existing = folder;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize, blocks } = statfsSync(existing);
  const free = (bavail * bsize) / GIB;
  const found = `${folder}: ${free.toFixed(1)} GiB free of ${((blocks * bsize) / GIB).toFixed(1)} GiB`;
  if (free >= DISK_WISHED_GIB) return ok(name, found);
  const cure = 'Free space there, or choose another folder: --data-dir, --cache-dir.';
  if (free >= DISK_NEEDED_GIB)
    return warning(name, found, 'Sandboxes may fill it together; each may write 10 GiB.', cure);
  return failure(name, found, `Less than ${DISK_NEEDED_GIB} GiB are free.`, cure);
}

function checkOpenFiles(): Finding {
  const limit = Number(
    /^Max open files\s+\S+\s+(\S+)/m.exec(read('/proc/self/limits'))?.[1] ?? Number.POSITIVE_INFINITY,
  );
  const found = Number.isFinite(limit) ? `${limit} per process` : 'unlimited';
  if (!(limit < OPEN_FILES_WISHED)) return ok('open files', found);
  return warning(
    'open files',
    found,
    'Every connection to a sandbox takes two.',
    'ulimit -Hn 1048576, or LimitNOFILE= in the service.',
  );
}

function checkForwarding(): Finding {
  if (read('/proc/sys/net/ipv4/ip_forward').trim() === '1') return ok('forwarding', 'on');
  return warning(
    'forwarding',
    'off',
    'Sandboxes reach the internet only with it.',
    '`atoll up` turns it on; or: sysctl -w net.ipv4.ip_forward=1',
  );
}
