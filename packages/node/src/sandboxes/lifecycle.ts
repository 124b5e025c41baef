import { randomUUID } from 'node:crypto';
import {
  AtollError,
  type EgressPolicy,
  newSandboxId,
  type RunningSandbox,
  type SandboxDied,
  type SandboxSpec,
} from '@atoll/contract';
import { getFromEnvd } from '../guest/envd-client.ts';
import { completeSteps } from '../journal/run-steps.ts';
import type { NodeParts } from '../node-parts.ts';
import { MetricSeries } from '../records/metric-series.ts';
import { SandboxLog } from '../records/sandbox-log.ts';
import { type Ending, endFacts, endOperation } from './end-steps.ts';
import type { Assignment } from './manifest.ts';
import { type LiveSandbox, type ReadyGuest, type Shape, shapeKey } from './sandbox-table.ts';
import type { Starter } from './starter.ts';

/** How long envd's last log lines may hold up the end of a sandbox, in milliseconds. */
const LAST_LOG_DEADLINE_MS = 250;

/** What the pool does for the life-cycle. */
export interface GuestSource {
  /** A ready guest of this shape, taken out of the pool; undefined when there is none. */
  take(shape: Shape): ReadyGuest | undefined;
  /** A start begins or ends: the pool stands back while somebody waits. */
  noteActivity(): void;
}

/** Reserving, starting and ending sandboxes; the only module that moves them from state to state. */
export class Lifecycle {
  readonly #parts: NodeParts;
  readonly #starter: Starter;
  readonly #end: ReturnType<typeof endOperation>;
  readonly #deathListeners = new Set<(death: SandboxDied) => void>();
  /** Deaths that nobody has been told of yet: those found at start, before anybody could listen. */
  #untold: SandboxDied[] = [];
  #source: GuestSource = { take: () => undefined, noteActivity: () => undefined };
  #closing = false;
  createSuccesses = 0;
  createFails = 0;

  constructor(parts: NodeParts, starter: Starter) {
    this.#parts = parts;
    this.#starter = starter;
    this.#end = endOperation(parts);
  }

  /** Connects the pool, which itself needs the life-cycle. */
  useSource(source: GuestSource): void {
    this.#source = source;
  }

  /** Names a sandbox to be. The name lapses unless it is started in time; a guest that nobody touched goes back. */
  reserve(shape: Shape): { sandboxId: string } {
    this.#refuseWhenClosing();
    const { table, settings, builds } = this.#parts;
    builds.get(shape.buildId);
    this.#source.noteActivity();
    const guest = this.#source.take(shape);
    const sandboxId = guest?.id ?? newSandboxId();
    const lapse = setTimeout(() => {
      if (guest === undefined) table.remove(sandboxId);
      else table.set(sandboxId, { kind: 'pooled', guest });
    }, settings.reservationMs);
    lapse.unref();
    table.set(sandboxId, guest === undefined ? { kind: 'named', shape, lapse } : { kind: 'reserved', guest, lapse });
    return { sandboxId };
  }

  /** Starts a reserved sandbox; returns when envd has taken its identity. */
  async start(spec: SandboxSpec, signal: AbortSignal): Promise<RunningSandbox> {
    this.#refuseWhenClosing();
    const { table } = this.#parts;
    const state = table.get(spec.sandboxId);
    if (state?.kind !== 'named' && state?.kind !== 'reserved') {
      throw new AtollError('conflict', `Sandbox ${spec.sandboxId} is not reserved: reserve it, then start it in time.`);
    }
    const guest = state.kind === 'reserved' ? state.guest : undefined;
    const shape = state.kind === 'reserved' ? state.guest.shape : state.shape;
    if (shapeKey(shape) !== shapeKey(spec)) {
      throw new AtollError('conflict', `Sandbox ${spec.sandboxId} was reserved for another build or other resources.`);
    }
    clearTimeout(state.lapse);
    const abort = new AbortController();
    const started = this.#startAs(spec, shape, guest, AbortSignal.any([signal, abort.signal]));
    table.set(spec.sandboxId, { kind: 'starting', shape, abort, settled: settlementOf(started) });
    return started;
  }

  /** Takes a guest over that an earlier process started; `assignment` undefined: a ready one of the pool. */
  adopt(guest: ReadyGuest, assignment: Assignment | undefined): void {
    const { table } = this.#parts;
    if (assignment === undefined) table.set(guest.id, { kind: 'pooled', guest });
    else table.set(guest.id, { kind: 'running', sandbox: this.#live(guest, assignment) });
  }

  /** Makes a guest for the pool. */
  async fill(shape: Shape, signal: AbortSignal): Promise<void> {
    const sandboxId = newSandboxId();
    const filled = this.#fillAs(sandboxId, shape, signal);
    this.#parts.table.set(sandboxId, { kind: 'filling', shape, settled: settlementOf(filled) });
    await filled;
  }

  /** Ends a sandbox, whatever it is doing, and returns when all it had is gone. Safe to repeat and to call at once. */
  async end(sandboxId: string, ending: Ending): Promise<void> {
    const { table } = this.#parts;
    for (;;) {
      const state = table.get(sandboxId);
      switch (state?.kind) {
        case undefined:
          return;
        case 'named':
          clearTimeout(state.lapse);
          table.remove(sandboxId);
          return;
        case 'filling':
          await state.settled;
          break;
        case 'starting':
          state.abort.abort(new AtollError('conflict', `Sandbox ${sandboxId} was ended while it started.`));
          await state.settled;
          break;
        case 'reserved':
          clearTimeout(state.lapse);
          return this.#remove(state.guest, undefined, ending);
        case 'pooled':
          return this.#remove(state.guest, undefined, ending);
        case 'running':
          return this.#remove(state.sandbox, state.sandbox, ending);
        case 'ending':
          return state.done;
      }
    }
  }

  /** Ends a sandbox that ended by itself, and tells who listens. */
  async died(sandbox: LiveSandbox, ending: Ending): Promise<void> {
    const done = this.end(sandbox.id, ending);
    this.announce({ sandboxId: sandbox.id, ...ending });
    await done;
  }

  /** Tells the listeners of a death; keeps it for the first one when there is none yet. */
  announce(death: SandboxDied): void {
    if (this.#deathListeners.size === 0) this.#untold.push(death);
    for (const listener of this.#deathListeners) {
      try {
        listener(death);
      } catch (error) {
        this.#parts.settings.logger.error({ err: error, ...death }, 'Somebody who was told of a death failed.');
      }
    }
  }

  onDeath(listener: (death: SandboxDied) => void): () => void {
    this.#deathListeners.add(listener);
    const untold = this.#untold;
    this.#untold = [];
    for (const death of untold) listener(death);
    return () => this.#deathListeners.delete(listener);
  }

  /** Writes a policy that is in force down for the next process. */
  async rememberEgress(sandbox: LiveSandbox, egress: EgressPolicy): Promise<void> {
    sandbox.assignment = { ...sandbox.assignment, spec: { ...sandbox.assignment.spec, egress } };
    const { manifests, hostBootId } = this.#parts;
    const { id, shape, slot, assignment } = sandbox;
    await manifests.write({ sandboxId: id, ...shape, slotIndex: slot.index, hostBootId, assignment });
  }

  /** Takes envd's newest log lines over. */
  async pullLog(sandbox: LiveSandbox, signal: AbortSignal): Promise<void> {
    const cursor = await sandbox.log.envdCursor();
    const { spec, startedAt } = sandbox.assignment;
    const page = await getFromEnvd(sandbox.slot.address, `/logs?cursor=${cursor}`, spec.envdAccessToken, signal);
    await sandbox.log.addEnvdPage(page, startedAt);
  }

  /** Refuses new sandboxes, ends the starts under way and lets reservations go. */
  async close(): Promise<void> {
    this.#closing = true;
    const { table } = this.#parts;
    const settled: Promise<void>[] = [];
    for (const [, state] of table.in('starting')) {
      state.abort.abort(shuttingDown());
      settled.push(state.settled);
    }
    for (const [, state] of table.in('filling')) settled.push(state.settled);
    for (const [, state] of table.in('ending')) settled.push(state.done.catch(() => undefined));
    for (const [, { lapse }] of table.in('named')) clearTimeout(lapse);
    for (const [, { lapse }] of table.in('reserved')) clearTimeout(lapse);
    await Promise.all(settled);
  }

  /** Ends everything there is, the guests of the pool too. Called after {@link close}. */
  async endAll(ending: Ending): Promise<void> {
    const { table } = this.#parts;
    const ids = [...table.in('running'), ...table.in('pooled'), ...table.in('reserved')].map(([id]) => id);
    const results = await Promise.allSettled(ids.map((id) => this.end(id, ending)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Moves the sandbox on from `starting`. */
  async #startAs(
    spec: SandboxSpec,
    shape: Shape,
    guest: ReadyGuest | undefined,
    signal: AbortSignal,
  ): Promise<RunningSandbox> {
    const { table, settings } = this.#parts;
    const late = AbortSignal.timeout(settings.startTimeoutMs);
    const assignment: Assignment = { spec, lifecycleId: randomUUID(), startedAt: Date.now() };
    try {
      const ready = await this.#bringUp(shape, guest, assignment, AbortSignal.any([signal, late]));
      const sandbox = this.#live(ready, assignment);
      table.set(spec.sandboxId, { kind: 'running', sandbox });
      this.createSuccesses += 1;
      this.#noteInLog(sandbox, 'The sandbox started.', { from: guest === undefined ? 'files' : 'pool' });
      return { sandboxId: spec.sandboxId, address: sandbox.slot.address, lifecycleId: assignment.lifecycleId };
    } catch (error) {
      table.remove(spec.sandboxId);
      this.createFails += 1;
      throw startError(error, late, settings.startTimeoutMs);
    } finally {
      this.#source.noteActivity();
    }
  }

  /** Moves the guest on from `filling`. */
  async #fillAs(sandboxId: string, shape: Shape, signal: AbortSignal): Promise<void> {
    const { table } = this.#parts;
    try {
      table.set(sandboxId, { kind: 'pooled', guest: await this.#starter.fill(sandboxId, shape, signal) });
    } catch (error) {
      table.remove(sandboxId);
      throw error;
    }
  }

  async #bringUp(
    shape: Shape,
    guest: ReadyGuest | undefined,
    assignment: Assignment,
    signal: AbortSignal,
  ): Promise<ReadyGuest> {
    if (guest !== undefined) {
      try {
        return await this.#starter.assign(guest, assignment, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        const { logger } = this.#parts.settings;
        logger.warn({ err: error, sandboxId: guest.id }, 'A guest of the pool did not wake up; starting a new one.');
      }
    }
    return this.#starter.create(assignment.spec.sandboxId, shape, assignment, signal);
  }

  #live(guest: ReadyGuest, assignment: Assignment): LiveSandbox {
    const { folders, manifests } = this.#parts;
    return {
      ...guest,
      assignment,
      log: new SandboxLog(folders.logs, guest.id),
      metrics: new MetricSeries(manifests.folder(guest.id)),
      oomKillsSeen: 0,
    };
  }

  #remove(guest: ReadyGuest, sandbox: LiveSandbox | undefined, ending: Ending): Promise<void> {
    const { table, runner } = this.#parts;
    const facts = endFacts(guest.slot.index, ending, sandbox?.assignment.spec.teamId);
    const done = (async () => {
      if (sandbox !== undefined) await this.#closeRecords(sandbox, ending);
      try {
        await completeSteps(runner, this.#end, { subject: guest.id, facts });
      } finally {
        // What could not be removed is the journal's now: it is tried again, also by the next process.
        table.remove(guest.id);
      }
    })();
    table.set(guest.id, { kind: 'ending', done });
    return done;
  }

  /** Saves the last lines of the log. Nothing here may keep a sandbox from ending. */
  async #closeRecords(sandbox: LiveSandbox, ending: Ending): Promise<void> {
    try {
      if (ending.reason === 'killed' || ending.reason === 'timeout' || ending.reason === 'shutdown') {
        await this.pullLog(sandbox, AbortSignal.timeout(LAST_LOG_DEADLINE_MS)).catch(() => undefined);
      }
      const level = ending.reason === 'killed' || ending.reason === 'timeout' ? 'info' : 'error';
      await sandbox.log.report(level, `The sandbox ended: ${ending.detail}`, { reason: ending.reason });
      await Promise.all([sandbox.log.close(), sandbox.metrics.close()]);
    } catch (error) {
      this.#parts.settings.logger.warn({ err: error, sandboxId: sandbox.id }, 'The last log lines were not written.');
    }
  }

  #noteInLog(sandbox: LiveSandbox, message: string, fields: Record<string, string>): void {
    sandbox.log.report('info', message, fields).catch((error: unknown) => {
      this.#parts.settings.logger.warn({ err: error, sandboxId: sandbox.id }, 'A log line was not written.');
    });
  }

  #refuseWhenClosing(): void {
    if (this.#closing) throw shuttingDown();
  }
}

/** Resolves when the work is over, well or not. */
function settlementOf(work: Promise<unknown>): Promise<void> {
  return work.then(
    () => undefined,
    () => undefined,
  );
}

function shuttingDown(): AtollError {
  return new AtollError('shutting_down', 'The node is stopping.');
}

function startError(error: unknown, late: AbortSignal, timeoutMs: number): AtollError {
  if (late.aborted) {
    const message = `The sandbox did not start within ${timeoutMs} ms.`;
    return new AtollError('sandbox_placement_timeout', message, { cause: error });
  }
  if (error instanceof AtollError) return error;
  return new AtollError('sandbox_create_failed', 'The sandbox could not be started.', { cause: error });
}
