/** ext4 keeps up to 2 % or 16 MiB back for its own needs; a file that does not fit any more may leave some more. */
const LITTLE_BYTES = 32 * 1024 * 1024;
const NEARLY_ALL = 0.95;

/** Whether a sandbox's disk has no room left that is worth speaking of. */
export function isDiskFull(disk: { readonly usedBytes: number; readonly totalBytes: number }): boolean {
  return disk.totalBytes - disk.usedBytes < LITTLE_BYTES && disk.usedBytes >= disk.totalBytes * NEARLY_ALL;
}
