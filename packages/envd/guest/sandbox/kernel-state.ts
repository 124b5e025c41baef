import { closeSync, openSync, writeSync } from 'node:fs';
import { cString, libc, systemError } from '../native/libc.ts';

/** Differences of the clock that are left alone, in milliseconds: setting it back disturbs programs more than a small lead. */
const TOLERATED_BEHIND_MS = 50;
const TOLERATED_AHEAD_MS = 5_000;

const CLOCK_REALTIME = 0;

/** Sets the guest's clock when it is off. Throws where the kernel does not let us. */
export function setClock(unixMs: number): void {
  const lead = Date.now() - unixMs;
  if (lead >= -TOLERATED_BEHIND_MS && lead <= TOLERATED_AHEAD_MS) return;
  const time = BigInt64Array.of(BigInt(Math.floor(unixMs / 1000)), BigInt(Math.floor(unixMs % 1000)) * 1_000_000n);
  if (libc.clock_settime(CLOCK_REALTIME, time) !== 0) throw systemError('clock_settime');
}

/** Mixes host randomness into the kernel's pool, which a memory snapshot may have copied. */
export function mixRandomSeed(seed: Uint8Array): void {
  const descriptor = openSync('/dev/urandom', 'w');
  try {
    writeSync(descriptor, seed);
  } finally {
    closeSync(descriptor);
  }
}

export function setHostname(name: string): void {
  if (libc.sethostname(cString(name), Buffer.byteLength(name)) !== 0) throw systemError('sethostname');
}
