import type { BuildManifest, StartMode } from '../builds/build-manifest.ts';
import { Gate } from '../gate.ts';
import { runSteps } from '../journal/run-steps.ts';
import type { NodeParts } from '../node-parts.ts';
import type { Assignment } from './manifest.ts';
import type { ReadyGuest, Shape } from './sandbox-table.ts';
import { readyGuest, type StartContext, startOperations } from './start-steps.ts';

/** Brings guests up. Every method either returns a guest or leaves nothing of it on the host. */
export class Starter {
  readonly #parts: NodeParts;
  readonly #operations: ReturnType<typeof startOperations>;
  readonly #gate: Gate;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#operations = startOperations(parts);
    this.#gate = new Gate(parts.settings.startConcurrency);
  }

  /** A sandbox from nothing: as its build says, and when that fails once more from the files. */
  create(sandboxId: string, shape: Shape, assignment: Assignment, signal: AbortSignal): Promise<ReadyGuest> {
    return this.#gate.run(signal, async () => {
      const build = this.#parts.builds.get(shape.buildId);
      const mode = await this.#parts.builds.startMode(build, shape.resources);
      const attempt = async (mode: StartMode) => {
        const context: StartContext = { subject: sandboxId, facts: {}, shape, build, mode, assignment };
        await runSteps(this.#parts.runner, this.#operations.create, context, signal);
        return readyGuest(context);
      };
      try {
        return await attempt(mode);
      } catch (error) {
        if (signal.aborted) throw error;
        this.#parts.settings.logger.warn({ err: error, sandboxId }, 'A start failed; trying once more from the files.');
        return attempt('boot');
      }
    });
  }

  /** A guest for the pool: answered once, then frozen. */
  async fill(sandboxId: string, shape: Shape, signal: AbortSignal): Promise<ReadyGuest> {
    const build = this.#parts.builds.get(shape.buildId);
    const mode = await this.#parts.builds.startMode(build, shape.resources);
    const context: StartContext = { subject: sandboxId, facts: {}, shape, build, mode };
    await runSteps(this.#parts.runner, this.#operations.fill, context, signal);
    return readyGuest(context);
  }

  /** Gives a guest of the pool to its owner. When it fails the guest is gone. */
  async assign(guest: ReadyGuest, assignment: Assignment, signal: AbortSignal): Promise<ReadyGuest> {
    const context: StartContext = {
      subject: guest.id,
      facts: { slotIndex: guest.slot.index },
      shape: guest.shape,
      build: this.#parts.builds.get(guest.shape.buildId),
      mode: 'boot',
      assignment,
      slot: guest.slot,
      disk: guest.disk,
    };
    await runSteps(this.#parts.runner, this.#operations.assign, context, signal);
    return guest;
  }

  /** The guest whose memory becomes the build's. The build is not published yet. */
  model(sandboxId: string, build: BuildManifest, signal: AbortSignal): Promise<ReadyGuest> {
    return this.#ownerless('model', sandboxId, build, 'boot', signal);
  }

  /** A guest for measuring. The build is not published yet. */
  trial(sandboxId: string, build: BuildManifest, mode: StartMode, signal: AbortSignal): Promise<ReadyGuest> {
    return this.#ownerless('trial', sandboxId, build, mode, signal);
  }

  async #ownerless(
    operation: 'model' | 'trial',
    sandboxId: string,
    build: BuildManifest,
    mode: StartMode,
    signal: AbortSignal,
  ): Promise<ReadyGuest> {
    const shape = { buildId: build.buildId, resources: build.resources };
    const context: StartContext = { subject: sandboxId, facts: {}, shape, build, mode };
    await runSteps(this.#parts.runner, this.#operations[operation], context, signal);
    return readyGuest(context);
  }
}
