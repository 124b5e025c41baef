import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Go } from './go-toolchain.ts';
import { runInstallTool } from './install-tool.ts';
import { PINNED_RUNSC } from './pinned.ts';

/** A minute on two cores; slow machines with slow lines get time to fetch the toolchain and 40 modules too. */
const BUILD_DEADLINE_MS = 20 * 60_000;

/** Builds the pinned runsc from its Go module to `target`; `folder` is scratch space on the same file system. */
export async function buildRunsc(options: {
  go: Go;
  target: string;
  folder: string;
  signal: AbortSignal;
}): Promise<void> {
  const { module, moduleVersion, label } = PINNED_RUNSC;
  const bin = join(options.folder, 'bin');
  const env = {
    ...process.env,
    // Static: runs on every distribution.
    CGO_ENABLED: '0',
    GOBIN: bin,
    // What a developer set for another project must not change this build.
    GOFLAGS: '',
    GOWORK: 'off',
    GOTOOLCHAIN: 'auto',
  };
  const args = ['install', '-ldflags', `-s -w -X ${module}/runsc/version.version=${label}`];
  await runInstallTool(options.go.path, [...args, `${module}/runsc@${moduleVersion}`], {
    env,
    deadlineMs: BUILD_DEADLINE_MS,
    signal: options.signal,
  });
  await rename(join(bin, 'runsc'), options.target);
}
