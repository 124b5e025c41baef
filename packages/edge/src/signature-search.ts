import { hash, timingSafeEqual } from 'node:crypto';
import type { RouteTable } from '@atoll/contract';
import type { RequestHead } from './exchange.ts';
import type { Refusal } from './refusal.ts';
import { noSandboxOfSignature, signatureSearchBusy } from './refusal.ts';

/** What a signed file URL says (protocol note envd, 3). */
export interface FileSignature {
  readonly path: string;
  readonly operation: 'read' | 'write';
  readonly user: string;
  readonly expiration: string | undefined;
  readonly signature: string;
}

/** `v1_` and an unpadded SHA-256 in base64. */
const SIGNATURE = /^v1_[A-Za-z0-9+/]{43}$/;
/** Signatures that are remembered with their sandbox: a link is often fetched in several ranges. */
const REMEMBERED = 1_000;

/** Reads the signed parts out of a request for `/files`; undefined when it is not a signed one. */
export function readFileSignature(head: Pick<RequestHead, 'method' | 'target'>): FileSignature | undefined {
  const operation =
    head.method === 'POST' ? 'write' : head.method === 'GET' || head.method === 'HEAD' ? 'read' : undefined;
  const question = head.target.indexOf('?');
  if (operation === undefined || question === -1 || head.target.slice(0, question) !== '/files') return undefined;
  const query = new URLSearchParams(head.target.slice(question + 1));
  // A client that forgot to encode its `+` means a plus: base64 has no blanks.
  const signature = query.get('signature')?.replaceAll(' ', '+');
  if (signature === undefined || !SIGNATURE.test(signature)) return undefined;
  return {
    path: query.get('path') ?? '',
    operation,
    user: query.get('username') ?? '',
    expiration: query.get('signature_expiration') ?? undefined,
    signature,
  };
}

/** The signature that the token yields for these parts. */
export function signFile(parts: Omit<FileSignature, 'signature'>, envdAccessToken: string): string {
  const end = parts.expiration === undefined ? '' : `:${parts.expiration}`;
  const raw = `${parts.path}:${parts.operation}:${parts.user}:${envdAccessToken}${end}`;
  return `v1_${hash('sha256', raw, 'base64').replace(/=+$/, '')}`;
}

/**
 * Finds the sandbox of a signed URL that names none: links made by the two-URL form carry no id, but only one token
 * yields their signature. One hash for each sandbox tried, within a budget for all clients together, so that junk
 * links cannot take the processor.
 */
export class SignatureSearch {
  readonly #routes: RouteTable;
  readonly #domain: string | undefined;
  readonly #hashesPerSecond: number;
  readonly #now: () => number;
  readonly #found = new Map<string, string>();
  #budget: number;
  #filledAt: number;

  constructor(options: {
    routes: RouteTable;
    domain?: string | undefined;
    hashesPerSecond: number;
    now?: () => number;
  }) {
    this.#routes = options.routes;
    this.#domain = options.domain;
    this.#hashesPerSecond = options.hashesPerSecond;
    this.#now = options.now ?? (() => performance.now());
    this.#budget = options.hashesPerSecond;
    this.#filledAt = this.#now();
  }

  /** The sandbox's id, a refusal, or undefined when the request is not a signed one. Whether it expired is envd's to say. */
  find(head: Pick<RequestHead, 'method' | 'target'>): string | Refusal | undefined {
    const parts = readFileSignature(head);
    if (parts === undefined) return undefined;
    const known = this.#found.get(parts.signature);
    if (known !== undefined && this.#matches(parts, this.#routes.get(known)?.envdAccessToken)) return known;
    this.#refill();
    for (const route of this.#routes.all()) {
      if (route.envdAccessToken === undefined) continue;
      if (this.#budget < 1) return signatureSearchBusy();
      this.#budget -= 1;
      if (this.#matches(parts, route.envdAccessToken)) {
        this.#remember(parts.signature, route.sandboxId);
        return route.sandboxId;
      }
    }
    return noSandboxOfSignature(this.#domain);
  }

  #matches(parts: FileSignature, token: string | undefined): boolean {
    if (token === undefined) return false;
    const expected = Buffer.from(signFile(parts, token));
    const given = Buffer.from(parts.signature);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }

  #refill(): void {
    const now = this.#now();
    const gained = ((now - this.#filledAt) / 1000) * this.#hashesPerSecond;
    this.#budget = Math.min(this.#hashesPerSecond, this.#budget + gained);
    this.#filledAt = now;
  }

  #remember(signature: string, sandboxId: string): void {
    if (this.#found.size >= REMEMBERED) {
      const oldest = this.#found.keys().next();
      if (oldest.done !== true) this.#found.delete(oldest.value);
    }
    this.#found.set(signature, sandboxId);
  }
}
