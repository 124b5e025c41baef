import { access } from 'node:fs/promises';
import { AtollError, DEFAULT_EGRESS, type EgressPolicy } from '@atoll/contract';
import type { Logger } from 'pino';
import { type BatchQueue, createBatchQueue } from './batch-queue.ts';
import { forgetConnections } from './conntrack.ts';
import { compileEgress, isCutOff, isDefaultEgress, type NetworkGuard } from './egress-rules.ts';
import type { Firewall } from './firewall.ts';
import { claimSlot, dropPolicy, enforcePolicy, unclaimSlot } from './firewall-rules.ts';
import { restoreForwarding } from './forwarding.ts';
import { addLinks, configureGuestEnd, findLinks, raiseLinks, removeHostAddress, removeLinks } from './links.ts';
import type { Resolver } from './resolver.ts';
import type { SlotLayout } from './slot-layout.ts';
import type { Slot, SlotPool } from './slots.ts';

/** At most so many slots are made in one go for the pool itself: somebody who comes meanwhile waits for no more than these. */
const REFILL_BATCH = 8;

/** At most so many for people who wait, so that the first of a large burst do not wait for the last. */
const BURST_BATCH = 64;

/**
 * The pool is filled when nothing was taken for so long, or at once when it is half empty: making slots beside a sandbox
 * that starts would slow its start down.
 */
const REFILL_AFTER_MS = 200;

/** Removed slots wait until they are so many before the kernel's table of connections is searched for theirs. */
const FORGET_BATCH = 64;

/** The state of an index; one without a state is free. */
type SlotState =
  /** On the host, but of an earlier process: neither adopted nor reaped yet. */
  | { readonly kind: 'found' }
  | { readonly kind: 'making' }
  | { readonly kind: 'ready'; readonly slot: Slot }
  | { readonly kind: 'used'; readonly slot: Slot; readonly ownPolicy: boolean }
  | { readonly kind: 'removing'; readonly done: Promise<void> }
  /** Gone from the host but for entries in the kernel's table of connections, which can pass nothing any more. */
  | { readonly kind: 'spent' };

interface Waiter {
  readonly resolve: (slot: Slot) => void;
  readonly reject: (error: unknown) => void;
}

/** What a pool works with; made by `openSlotPool`. */
export interface SlotPoolParts {
  readonly layout: SlotLayout;
  readonly guard: NetworkGuard;
  readonly firewall: Firewall;
  readonly resolver: Resolver;
  /** The policy of each guest address in use, for the resolver. */
  readonly policies: Map<string, EgressPolicy>;
  readonly poolSize: number;
  readonly logger: Logger;
}

/** The slots of one instance on this host: keeps their states, makes and removes them in batches. */
export class HostSlotPool implements SlotPool {
  readonly #parts: SlotPoolParts;
  readonly #states = new Map<number, SlotState>();
  readonly #ready: Slot[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #removals: BatchQueue<Slot>;
  readonly #forgetting: BatchQueue<readonly Slot[]>;
  #spent: Slot[] = [];
  #nextIndex = 0;
  #maker: Promise<void> | undefined;
  #refillTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: SlotPoolParts) {
    this.#parts = parts;
    this.#removals = createBatchQueue((slots) => this.#remove(slots));
    this.#forgetting = createBatchQueue((batches) => this.#forget(batches.flat()));
  }

  /** Notes what is on the host, so that no new slot takes its place. */
  async scan(): Promise<void> {
    const found = await this.#findOnHost();
    for (const index of found) if (!this.#states.has(index)) this.#states.set(index, { kind: 'found' });
    this.#nextIndex = (Math.max(-1, ...found) + 1) % this.#parts.layout.capacity;
  }

  async acquire(): Promise<Slot> {
    this.#assertOpen();
    const ready = this.#ready.shift();
    if (ready !== undefined) {
      this.#hand(ready);
      if (this.#ready.length < this.#parts.poolSize / 2) this.refill();
      else this.#refillLater();
      return ready;
    }
    return await new Promise<Slot>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.refill();
    });
  }

  async prepareForStart(slot: Slot): Promise<void> {
    await configureGuestEnd(this.#parts.layout, slot);
  }

  async applyEgress(slot: Slot, egress: EgressPolicy): Promise<void> {
    const state = this.#states.get(slot.index);
    if (state?.kind !== 'used') throw new AtollError('conflict', `Network slot ${slot.index} is not in use.`);
    const { layout, firewall, guard, policies } = this.#parts;
    const rules = compileEgress(egress, guard);
    const ownPolicy = !isDefaultEgress(rules);
    // The resolver shuts before the packets do and opens after them, so that it is never the weaker of the two.
    const before = policies.get(slot.address) ?? DEFAULT_EGRESS;
    if (isCutOff(egress)) policies.set(slot.address, egress);
    try {
      if (ownPolicy) await firewall.apply(enforcePolicy(layout, slot, rules));
      else if (state.ownPolicy) await firewall.apply(dropPolicy(layout, slot));
    } catch (error) {
      if (policies.get(slot.address) === egress) policies.set(slot.address, before);
      throw error;
    }
    // Released meanwhile: the removal that waits behind this change takes it away again.
    if (this.#states.get(slot.index)?.kind !== 'used') return;
    policies.set(slot.address, egress);
    this.#states.set(slot.index, { ...state, ownPolicy });
  }

  async release(index: number): Promise<void> {
    const state = this.#states.get(index);
    if (state?.kind === 'removing') return await state.done;
    if (state?.kind === 'spent') return;
    const { layout, policies } = this.#parts;
    if (index < 0 || index >= layout.capacity) return;
    const slot = layout.slot(index);
    if (state?.kind === 'ready') this.#ready.splice(this.#ready.indexOf(state.slot), 1);
    policies.delete(slot.address);
    const done = this.#removals.add(slot);
    this.#states.set(index, { kind: 'removing', done });
    try {
      await done;
      this.#parts.resolver.forget(slot.address);
      this.#states.set(index, { kind: 'spent' });
      this.#spent.push(slot);
      if (this.#spent.length >= FORGET_BATCH) void this.#forgetSpent();
    } catch (error) {
      // Still on the host: no new slot may take its place, and releasing it again is the way to get rid of it.
      this.#states.set(index, { kind: 'found' });
      throw error;
    }
  }

  async adopt(index: number, egress: EgressPolicy): Promise<Slot> {
    this.#assertOpen();
    const { layout, firewall, policies } = this.#parts;
    const slot = layout.slot(index);
    const state = this.#states.get(index);
    if (state !== undefined && state.kind !== 'found' && state.kind !== 'spent') {
      throw new AtollError('conflict', `Network slot ${index} is ${state.kind}, it cannot be adopted.`);
    }
    try {
      await Promise.all([access(slot.namespacePath), access(`/sys/class/net/${slot.hostInterface}`)]);
    } catch (cause) {
      throw new AtollError('not_found', `Network slot ${index} is not on this host any more.`, { cause });
    }
    // Its policy may be any: take it as one of its own, so that the first one applied replaces it.
    this.#states.set(index, { kind: 'used', slot, ownPolicy: true });
    try {
      await this.applyEgress(slot, egress);
      await firewall.apply(claimSlot(layout, slot));
    } catch (error) {
      this.#states.set(index, { kind: 'found' });
      policies.delete(slot.address);
      throw error;
    }
    return slot;
  }

  async reap(keep: ReadonlySet<number>): Promise<readonly number[]> {
    const ours = (index: number): boolean => {
      const kind = this.#states.get(index)?.kind;
      return kind === 'ready' || kind === 'making';
    };
    const doomed = [...(await this.#findOnHost())].filter((index) => !keep.has(index) && !ours(index));
    await Promise.all(doomed.map((index) => this.release(index)));
    return doomed.sort((a, b) => a - b);
  }

  async close(options: { remove: boolean }): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#refillTimer);
    const { layout, firewall, resolver } = this.#parts;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
    while (this.#maker !== undefined) await this.#maker;
    await this.#removals.idle();
    await resolver.close();
    if (options.remove) {
      for (const slot of this.#ready.splice(0)) this.#states.set(slot.index, { kind: 'found' });
      await this.reap(new Set());
    }
    await this.#forgetSpent();
    if (!options.remove) return;
    await restoreForwarding(layout);
    await firewall.remove();
    await removeHostAddress(layout);
  }

  #refillLater(): void {
    clearTimeout(this.#refillTimer);
    this.#refillTimer = setTimeout(() => this.refill(), REFILL_AFTER_MS);
  }

  /** Starts making slots when somebody waits or the pool is not full. */
  refill(): void {
    this.#maker ??= this.#makeAll();
  }

  async #makeAll(): Promise<void> {
    // Everybody who asks in this turn of the event loop shares the first batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (!this.#closed) {
      const missing = this.#parts.poolSize - this.#ready.length;
      const wanted =
        this.#waiters.length > 0 ? Math.min(this.#waiters.length, BURST_BATCH) : Math.min(missing, REFILL_BATCH);
      if (wanted <= 0) break;
      try {
        this.#ready.push(...(await this.#make(wanted)));
      } catch (error) {
        if (this.#waiters.length === 0)
          this.#parts.logger.warn({ err: error }, 'The pool of network slots is not full.');
        for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
        break;
      }
      while (this.#waiters.length > 0 && this.#ready.length > 0) {
        const slot = this.#ready.shift();
        if (slot === undefined) break;
        this.#hand(slot);
        this.#waiters.shift()?.resolve(slot);
      }
    }
    // In the same turn as the last look at the waiters: whoever comes after it starts the next round.
    this.#maker = undefined;
  }

  /** Makes up to `count` slots, at least one, with the default policy in force before their first packet. All or none. */
  async #make(count: number): Promise<Slot[]> {
    const { layout, firewall } = this.#parts;
    if (this.#states.size + count > layout.capacity) await this.#forgetSpent();
    const free = layout.capacity - this.#states.size;
    if (free === 0) {
      throw new AtollError(
        'sandbox_capacity_unavailable',
        `All ${layout.capacity} network slots of this host are taken.`,
      );
    }
    const slots = this.#takeIndexes(Math.min(count, free)).map((index) => layout.slot(index));
    try {
      await Promise.all([
        addLinks(layout, slots),
        firewall.apply(slots.map((slot) => unclaimSlot(layout, slot) + claimSlot(layout, slot)).join('')),
      ]);
      await raiseLinks(layout, slots);
    } catch (error) {
      await Promise.all(slots.map((slot) => this.release(slot.index))).catch((cause: unknown) => {
        this.#parts.logger.error({ err: cause }, 'Network slots that could not be made could not be removed either.');
      });
      throw error;
    }
    for (const slot of slots) this.#states.set(slot.index, { kind: 'ready', slot });
    return slots;
  }

  /** Indexes go round before they come again, so that late news about a former owner does not meet the next one. */
  #takeIndexes(count: number): number[] {
    const { capacity } = this.#parts.layout;
    const taken: number[] = [];
    while (taken.length < count) {
      if (!this.#states.has(this.#nextIndex)) {
        this.#states.set(this.#nextIndex, { kind: 'making' });
        taken.push(this.#nextIndex);
      }
      this.#nextIndex = (this.#nextIndex + 1) % capacity;
    }
    return taken;
  }

  #hand(slot: Slot): void {
    this.#states.set(slot.index, { kind: 'used', slot, ownPolicy: false });
    this.#parts.policies.set(slot.address, DEFAULT_EGRESS);
  }

  /** Closes the slots to every packet first, then takes them away. */
  async #remove(slots: readonly Slot[]): Promise<void> {
    const { layout, firewall } = this.#parts;
    await firewall.apply(slots.map((slot) => unclaimSlot(layout, slot) + dropPolicy(layout, slot)).join(''));
    await removeLinks(layout, slots);
  }

  /** Makes the indexes of removed slots free again. Never throws: those that fail stay spent until the next time. */
  async #forgetSpent(): Promise<void> {
    const slots = this.#spent;
    this.#spent = [];
    try {
      if (slots.length > 0) await this.#forgetting.add(slots);
      await this.#forgetting.idle();
    } catch (error) {
      this.#spent.push(...slots);
      this.#parts.logger.error({ err: error }, 'The connections of removed sandboxes could not be forgotten.');
    }
  }

  async #forget(slots: readonly Slot[]): Promise<void> {
    await forgetConnections(slots.map((slot) => slot.address));
    for (const slot of slots) this.#states.delete(slot.index);
  }

  async #findOnHost(): Promise<Set<number>> {
    const { layout, firewall } = this.#parts;
    const [links, claimed] = await Promise.all([findLinks(layout), firewall.claimedSlots()]);
    return new Set([...links.namespaces, ...links.interfaces, ...claimed]);
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
  }
}

function closedError(): AtollError {
  return new AtollError('shutting_down', 'The network of this host is closing.');
}
