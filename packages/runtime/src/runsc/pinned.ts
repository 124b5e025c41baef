/** The gVisor that this runtime is written for and tested with. Memory images fit only the version that made them. */
export const PINNED_RUNSC = {
  /** Go module and version that our own builds are made of. */
  module: 'gvisor.dev/gvisor',
  moduleVersion: 'v0.0.0-20260905035102-160fafc42237',
  /** What our own builds answer to `runsc --version`. */
  label: 'atoll-20260905',
  /** Upstream's release of the same days; it answers `release-<this>.<point>`. */
  release: '20260907',
} as const;

/** Whether a runsc will do, and if not, why. `version`: what it answers to `--version`. */
export function judgeRunsc(version: string): { fits: true } | { fits: false; reason: string } {
  if (version === PINNED_RUNSC.label) return { fits: true };
  if (version.startsWith(`release-${PINNED_RUNSC.release}.`)) return { fits: true };
  if (/^0\.0~20\d{6}/.test(version)) {
    return {
      fits: false,
      reason:
        `Debian's package (${version}) is too old: no network on kernels from 6.11, no sudo in sandboxes, ` +
        'memory snapshots that do not always come back, and ending a sandbox takes seconds',
    };
  }
  return {
    fits: false,
    reason: `version ${version} is not ${PINNED_RUNSC.label}, with which snapshots are compatible`,
  };
}
