import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { GuestLimits, GuestSpec, Runtime } from '../runtime.ts';
import { type GuestNetwork, makeGuestNetwork } from './guest-network.ts';
import { GUEST_PROCESS, makeGuestRoot } from './guest-root.ts';

/** Short, so that a SYN lost while the guest's network comes up costs little. */
const CONNECT_DEADLINE_MS = 100;
const ANSWER_DEADLINE_MS = 15_000;

export const TEST_LIMITS: GuestLimits = { cpuCount: 2, memoryMiB: 512, maxProcesses: 300 };

/** A place for a guest: files and network. Its guest may end and come back under another id. */
export interface GuestPlace {
  readonly rootfs: string;
  /** A spec with a fresh id, the place ready for it to start. */
  spec(overrides?: Partial<GuestSpec>): Promise<GuestSpec>;
  /** Runs a shell script in the guest; waits until the guest answers at all. */
  run(script: string): Promise<{ output: string; exitCode: number }>;
}

/** What a runtime brings for the contract suite. */
export interface RuntimeUnderTest {
  readonly name: string;
  /** Opens the runtime on `stateDir`; a second call is what a restart of ours is. */
  open(stateDir: string, cgroupParent: string): Promise<Runtime>;
}

export interface ContractHarness {
  readonly directory: string;
  readonly cgroupParent: string;
  openRuntime(): Promise<Runtime>;
  makePlace(): Promise<GuestPlace>;
  /** Everything of this harness's guests that is on the host: processes, control groups, mounts, files. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

export async function openContractHarness(subject: RuntimeUnderTest): Promise<ContractHarness> {
  const tag = randomBytes(3).toString('hex');
  const directory = await mkdtemp(join(tmpdir(), 'atoll-runtime-'));
  const stateDir = join(directory, 'state');
  const cgroupParent = `atoll-test-${tag}`;
  const networks: GuestNetwork[] = [];
  let places = 0;

  return {
    directory,
    cgroupParent,
    openRuntime: () => subject.open(stateDir, cgroupParent),

    async makePlace() {
      const index = places;
      places += 1;
      const network = await makeGuestNetwork(`t${tag}${index}`, index);
      networks.push(network);
      const rootfs = join(directory, `root${index}`);
      await makeGuestRoot(rootfs);
      return {
        rootfs,
        async spec(overrides = {}) {
          await network.prepareForStart();
          const id = randomBytes(8).toString('hex');
          return {
            id,
            rootfs,
            networkNamespace: network.namespacePath,
            hostname: `host-${id}`,
            mounts: [],
            limits: TEST_LIMITS,
            process: GUEST_PROCESS,
            ...overrides,
          };
        },
        run: (script) => runInGuest(network.address, script),
      };
    },

    async leftovers() {
      const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
        .split('\n')
        .filter((line) => line.includes(directory));
      return [
        ...(await processesNaming(stateDir)).map((pid) => `process ${pid}`),
        ...(await groupsNamed(cgroupParent)).map((path) => `control group ${path}`),
        ...mounts.map((line) => `mount ${line}`),
        ...(await filesBelow(stateDir)).map((path) => `file ${path}`),
      ];
    },

    async close() {
      const runtime = await subject.open(stateDir, cgroupParent);
      for (const { id } of await runtime.list()) await runtime.kill(id);
      await Promise.all(networks.map((network) => network.close()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function runInGuest(address: string, script: string): Promise<{ output: string; exitCode: number }> {
  const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS);
  await waitForAnswer(address, deadline);
  const lines = (await ask(address, '/cgi-bin/run', deadline, script)).trimEnd().split('\n');
  const exitCode = Number(lines.pop());
  return { output: lines.join('\n').trim(), exitCode };
}

async function waitForAnswer(address: string, deadline: AbortSignal): Promise<void> {
  for (;;) {
    deadline.throwIfAborted();
    try {
      await ask(address, '/', AbortSignal.any([deadline, AbortSignal.timeout(CONNECT_DEADLINE_MS)]));
      return;
    } catch {
      // Not there yet.
    }
  }
}

/** One request on a connection of its own: a kept one would belong to the guest before this one. */
function ask(address: string, path: string, signal: AbortSignal, body?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const method = body === undefined ? 'GET' : 'POST';
  const outgoing = request({ host: address, port: 8080, path, method, agent: false, signal }, (response) => {
    text(response).then(resolve, reject);
  });
  outgoing.once('error', reject);
  outgoing.end(body);
  return promise;
}

async function processesNaming(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(path)) found.push(pid);
  }
  return found;
}

async function groupsNamed(parent: string): Promise<string[]> {
  const roots = ['/sys/fs/cgroup', ...(await readdir('/sys/fs/cgroup')).map((name) => `/sys/fs/cgroup/${name}`)];
  const found: string[] = [];
  for (const root of roots) {
    const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
    found.push(...entries.filter((entry) => entry.name === parent).map((entry) => join(root, entry.name)));
  }
  return found;
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}
