import { posix } from 'node:path';
import { AtollError } from '@atoll/contract';

/** mount(2) takes one page of options, with a terminating NUL. */
const MAX_OPTION_BYTES = 4095;

/** A planned overlay mount: the option string, and the folder to be in when mounting (relative lowers start there). */
export interface OverlayPlan {
  readonly options: string;
  readonly workingDirectory: string;
}

/**
 * Options of an overlay mount. `layers`: lowest first. Many layers do not fit into the kernel's one page when named by
 * their full paths; then they are named relative to the folder they have in common.
 */
export function planOverlay(paths: { layers: readonly string[]; upper: string; work: string }): OverlayPlan {
  if (paths.layers.length === 0) throw new AtollError('invalid_request', 'A sandbox disk needs at least one layer.');
  const topFirst = paths.layers.toReversed();
  const absolute = formatOptions(topFirst, paths);
  if (Buffer.byteLength(absolute) <= MAX_OPTION_BYTES) return { options: absolute, workingDirectory: '/' };

  const common = commonFolder(topFirst);
  const relative = formatOptions(
    topFirst.map((layer) => posix.relative(common, layer) || '.'),
    paths,
  );
  if (Buffer.byteLength(relative) > MAX_OPTION_BYTES) {
    throw new AtollError('invalid_request', `A stack of ${paths.layers.length} layers is too deep to be mounted.`);
  }
  return { options: relative, workingDirectory: common };
}

function formatOptions(lowers: readonly string[], paths: { upper: string; work: string }): string {
  return [
    `lowerdir=${lowers.map(escapeLower).join(':')}`,
    `upperdir=${escapeOption(paths.upper)}`,
    `workdir=${escapeOption(paths.work)}`,
    // An fsync inside the guest does not wait for the host's disk: a host that loses power loses the guest's memory too,
    // so nobody goes on from that state (docs/decisions/0002).
    'volatile',
  ].join(',');
}

/** Overlayfs splits lowerdir at colons, mount(8) splits options at commas; both unescape backslashes. */
function escapeLower(path: string): string {
  return escapeOption(path.replaceAll('\\', '\\\\').replaceAll(':', '\\:'));
}

function escapeOption(path: string): string {
  return path.replaceAll(',', '\\,');
}

function commonFolder(paths: readonly string[]): string {
  const split = paths.map((path) => posix.dirname(path).split('/'));
  const first = split[0] ?? [];
  let length = first.length;
  for (const parts of split) {
    let same = 0;
    while (same < length && parts[same] === first[same]) same += 1;
    length = same;
  }
  return first.slice(0, length).join('/') || '/';
}
