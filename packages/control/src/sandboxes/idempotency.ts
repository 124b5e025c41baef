import { createHash } from 'node:crypto';
import { AtollError } from '@atoll/contract';
import type { SandboxContext } from './context.ts';
import type { CreateOrder, SandboxCreator } from './create.ts';
import type { CreateRequest } from './create-request.ts';
import type { SandboxRecord } from './record.ts';

const KEY = /^[a-z0-9-]{1,255}$/i;

/** Gives every create with the same Idempotency-Key of a team the same sandbox. */
export class IdempotentCreates {
  readonly #context: SandboxContext;
  readonly #creator: SandboxCreator;
  readonly #underWay = new Map<string, { hash: string; result: Promise<SandboxRecord> }>();

  constructor(context: SandboxContext, creator: SandboxCreator) {
    this.#context = context;
    this.#creator = creator;
  }

  /** The sandbox made for this key, now or before. Throws `idempotency_request_mismatch` for another body. */
  async create(teamId: string, request: CreateRequest, key: string): Promise<SandboxRecord> {
    if (!KEY.test(key)) {
      throw new AtollError('invalid_request', 'validation error: Idempotency-Key must be 1 to 255 of a-z, 0-9 and -');
    }
    const idempotency = { key: key.toLowerCase(), hash: hashRequest(request) };
    const name = `${teamId} ${idempotency.key}`;
    const first = this.#underWay.get(name);
    if (first !== undefined) {
      assertSame(first.hash, idempotency.hash);
      return first.result;
    }
    // Nobody's going away may end it: another request may be waiting for the same sandbox.
    const result = this.#createOnce({ teamId, request, idempotency });
    this.#underWay.set(name, { hash: idempotency.hash, result });
    try {
      return await result;
    } finally {
      this.#underWay.delete(name);
    }
  }

  async #createOnce(order: CreateOrder & Required<Pick<CreateOrder, 'idempotency'>>): Promise<SandboxRecord> {
    const { store, limits } = this.#context;
    const known = await store.sandboxes.byIdempotencyKey(order.teamId, order.idempotency.key);
    if (known !== undefined) {
      if (known.startedAt >= Date.now() - limits.idempotencyMs) {
        assertSame(known.idempotency?.hash, order.idempotency.hash);
        if (known.state !== 'starting') return known;
        throw new AtollError('idempotency_in_progress', 'A request with this Idempotency-Key is still being served.');
      }
      await store.sandboxes.releaseIdempotencyKey(known.sandboxId);
    }
    return this.#creator.create(order);
  }
}

function assertSame(first: string | undefined, now: string): void {
  if (first === now) return;
  throw new AtollError(
    'idempotency_request_mismatch',
    'This Idempotency-Key was used for a different request in the last 24 hours.',
  );
}

/** A hash of what is asked for, whatever the order of its keys. */
function hashRequest(request: CreateRequest): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(request)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => [name, sorted(member)]);
}
