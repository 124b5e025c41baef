import { createHash, createHmac } from 'node:crypto';
import type { KeyMask } from '@atoll/contract/rest';
import type { KeyRecord } from '../store/key-store.ts';

/** SHA-256 in hex. Keys are 160 random bits, so a slow hash would protect nothing more. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

const SHOWN_AT_START = 2;
const SHOWN_AT_END = 4;

/** What answers may show of a key. `prefix` is the fixed part, the rest is the value proper. */
export function maskKey(key: string): KeyMask {
  const prefix = /^(sk_e2b_|e2b_)/.exec(key)?.[0] ?? '';
  const value = key.slice(prefix.length);
  // A short key would be shown nearly whole.
  const shown = value.length >= 4 * (SHOWN_AT_START + SHOWN_AT_END);
  return {
    prefix,
    valueLength: value.length,
    maskedValuePrefix: shown ? value.slice(0, SHOWN_AT_START) : '',
    maskedValueSuffix: shown ? value.slice(-SHOWN_AT_END) : '',
  };
}

/** What the store keeps of a key. */
export function keyRecord(key: string): KeyRecord {
  return { hash: hashKey(key), mask: maskKey(key) };
}

/**
 * The tokens of sandboxes, derived from the installation's secret and the sandbox's id: the same at every connect and
 * after every restart, and never in a row of the store.
 */
export class SandboxTokens {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** What envd asks for. */
  envd(sandboxId: string): string {
    return this.#derive('envd', sandboxId);
  }

  /** What the edge asks for where public traffic is not allowed. */
  traffic(sandboxId: string): string {
    return this.#derive('traffic', sandboxId);
  }

  #derive(purpose: string, sandboxId: string): string {
    return createHmac('sha256', this.#secret).update(`${purpose}:${sandboxId}`).digest('hex');
  }
}
