import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { PINNED_RUNSC } from './pinned.ts';

const RELEASES = 'https://storage.googleapis.com/gvisor/releases/release';
const DOWNLOAD_DEADLINE_MS = 10 * 60_000;

/** Upstream's names of the machines it builds for. */
const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** Gets upstream's release binary to `target`, checked against the SHA-512 that upstream publishes beside it. */
export async function downloadRelease(target: string, signal: AbortSignal): Promise<void> {
  const machine = MACHINES[arch()];
  if (machine === undefined) throw new Error(`gVisor has no release for ${arch()}`);
  const url = `${RELEASES}/${PINNED_RUNSC.release}/${machine}/runsc`;
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DOWNLOAD_DEADLINE_MS)]);
  const published = (await get(`${url}.sha512`, deadline)).toString('utf8').split(/\s/)[0];
  const binary = await get(url, deadline);
  const digest = createHash('sha512').update(binary).digest('hex');
  if (digest !== published) throw new Error(`${url} does not match its published checksum`);
  await writeFile(target, binary, { mode: 0o755 });
}

async function get(url: string, signal: AbortSignal): Promise<Buffer> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    throw new Error(`${new URL(url).host} cannot be reached`, { cause: error });
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
