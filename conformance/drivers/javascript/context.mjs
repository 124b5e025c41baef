import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** Thrown by an operation that this version of the client does not have. */
export class NotApplicable extends Error {}

/**
 * What the operations of one run share: the SDK, one sandbox that most of them use, and the clean-up at the end.
 */
export function createContext({ sdk, version }) {
  const run = `${version}-${process.pid}-${Date.now()}`;
  const made = new Set();
  let shared;

  const fresh = async (options = {}) => {
    const sandbox = await sdk.Sandbox.create({ timeoutMs: 120_000, metadata: { conformance: run }, ...options });
    made.add(sandbox);
    return sandbox;
  };

  return {
    sdk,
    version,
    run,
    form: process.env.CONFORMANCE_FORM ?? 'two-url',
    /** A host name and address outside that this machine reaches; undefined where there is none. */
    outside:
      process.env.CONFORMANCE_OUTSIDE_IP === undefined
        ? undefined
        : { host: process.env.CONFORMANCE_OUTSIDE_HOST, ip: process.env.CONFORMANCE_OUTSIDE_IP },
    fresh,
    /** The sandbox for operations that leave it as they found it; replaced when it is gone. */
    async sandbox() {
      if (shared === undefined || !(await shared.isRunning().catch(() => false)))
        shared = await fresh({ timeoutMs: 600_000 });
      return shared;
    },
    /** Ends an operation that this version cannot do. */
    notApplicable(reason) {
      throw new NotApplicable(reason);
    },
    /** Where a port of a sandbox is reached in this address form, with the headers it needs. */
    reach(sandbox, port, path = '/') {
      const sandboxUrl = process.env.E2B_SANDBOX_URL;
      if (sandboxUrl === undefined) return { url: `https://${sandbox.getHost(port)}${path}`, headers: {} };
      return {
        url: new URL(path, sandboxUrl).href,
        headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': String(port) },
      };
    },
    async close() {
      await Promise.allSettled([...made].map((sandbox) => sandbox.kill()));
    },
  };
}

/** Asks until the answer is truthy; the deadline's error names what did not come. */
export async function eventually(what, ask, withinMs = 15_000) {
  const end = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not seen within ${withinMs} ms`);
    await delay(100);
  }
}

/** The error a promise ends with; fails when it does not. */
export async function rejection(promise) {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  assert.ok('error' in outcome, `expected an error, got ${JSON.stringify(outcome.value)?.slice(0, 200)}`);
  return outcome.error;
}

/** Compares versions such as 2.30.1 by their numbers. */
export function atLeast(version, wanted) {
  const [a, b] = [version, wanted].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i += 1) if (a[i] !== b[i]) return a[i] > b[i];
  return true;
}
