import type { GuestSpec } from '../runtime.ts';

/**
 * All of root's rights inside the guest: gVisor's kernel grants and checks them, the host's never sees them. Programs
 * in the guest need them for sudo, apt, ping, mount, tcpdump and debuggers.
 */
const CAPABILITIES = [
  'AUDIT_CONTROL',
  'AUDIT_READ',
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'IPC_LOCK',
  'IPC_OWNER',
  'KILL',
  'LEASE',
  'LINUX_IMMUTABLE',
  'MKNOD',
  'NET_ADMIN',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_CHROOT',
  'SYS_NICE',
  'SYS_PACCT',
  'SYS_PTRACE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
].map((name) => `CAP_${name}`);

/** What the OCI runtime specification calls a bundle's config.json, as far as we use it. */
export interface OciSpec {
  readonly ociVersion: string;
  readonly hostname: string;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly process: {
    readonly user: { readonly uid: number; readonly gid: number };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly noNewPrivileges: boolean;
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'permitted' | 'inheritable', readonly string[]>>;
    readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  };
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly cgroupsPath: string;
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
  };
}

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options?: readonly string[];
}

/** Host facts that go into a spec. */
export interface OciHost {
  /** Control group that we made for the guest, with its limits. */
  readonly cgroupsPath: string;
  /** Most files the guest may open: not above what the host lets us have. */
  readonly maxOpenFiles: number;
}

/** The plan of a guest, as runsc reads it. Pure. */
export function planOciSpec(spec: GuestSpec, host: OciHost): OciSpec {
  return {
    ociVersion: '1.1.0',
    hostname: spec.hostname,
    root: { path: spec.rootfs, readonly: false },
    process: {
      user: { uid: 0, gid: 0 },
      args: spec.process.args,
      env: spec.process.env,
      cwd: spec.process.cwd,
      // sudo and other set-uid programs work inside (with runsc's --allow-suid).
      noNewPrivileges: false,
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        inheritable: [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: host.maxOpenFiles, hard: host.maxOpenFiles }],
    },
    // All but the last kind live inside gVisor's own kernel.
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec'] },
      { destination: '/dev/shm', type: 'tmpfs', source: 'tmpfs', options: shmOptions(spec.limits.memoryMiB) },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      // The guest's own control groups, in the root namespace of them: limitGuestProcesses needs both.
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev'] },
      ...spec.mounts.map((mount) => ({
        destination: mount.destination,
        type: 'bind',
        source: mount.source,
        options: ['rbind', mount.readOnly ? 'ro' : 'rw'],
      })),
    ],
    linux: {
      // The limits are on the group itself: what is not in the spec can differ at a restore.
      cgroupsPath: host.cgroupsPath,
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        // Inside of it, not even root can lift the limits at its top.

        { type: 'network', path: spec.networkNamespace },
      ],
    },
  };
}

/**
 * As on any Linux, half of the memory: files there are held by the guest's kernel, and a full one that exceeded the
 * guest's limit would take the whole guest down instead of one process.
 */
function shmOptions(memoryMiB: number): string[] {
  const size = memoryMiB === 0 ? [] : [`size=${Math.ceil(memoryMiB / 2)}m`];
  return ['nosuid', 'nodev', 'mode=1777', ...size];
}
