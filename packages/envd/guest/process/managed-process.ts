import { closeSync } from 'node:fs';
import type { ProcessConfig, ProcessEventSchema } from '@atoll/contract/envd';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { EnvdError } from '../errors.ts';
import { DescriptorReader, PipeWriter } from '../native/pipe.ts';
import { type PseudoTerminal, resizeTerminal, type TerminalSize, TerminalWriter } from '../native/terminal.ts';
import { type Keepalive, Subscription } from '../subscription.ts';
import { exitStatus } from './exit-status.ts';
import type { Spawned } from './spawn.ts';

export type ProcessEvent = MessageInitShape<typeof ProcessEventSchema>;

type OutputKind = 'stdout' | 'stderr' | 'pty';

/** Largest output in one event, in bytes: what upstream reads at once. */
const MAX_OUTPUT_BYTES = { stdout: 32 * 1024, stderr: 32 * 1024, pty: 16 * 1024 } as const;

/**
 * After a kill, output that is still in the pipes is delivered; how long nothing more must come, in milliseconds,
 * before the pipes count as held open by some descendant.
 */
const DRAIN_SILENCE_MS = 100;

type State =
  /** The process runs. */
  | { readonly kind: 'running' }
  /** It has ended; its output pipes are still open or not yet delivered. */
  | { readonly kind: 'draining' }
  | { readonly kind: 'ended'; readonly end: ProcessEvent };

/** A process that a client started, its input, and the events it gives to everybody attached. */
export class ManagedProcess {
  readonly pid: number;
  readonly config: ProcessConfig;
  readonly tag: string | undefined;
  /** Settles after the end event was handed to every subscriber. */
  readonly ended: Promise<ProcessEvent>;
  readonly #child: Bun.Subprocess;
  readonly #readers: readonly DescriptorReader[];
  readonly #input:
    | { readonly kind: 'stdin'; readonly writer: PipeWriter | undefined }
    | { readonly kind: 'pty'; readonly writer: TerminalWriter };
  readonly #terminal: PseudoTerminal | undefined;
  readonly #subscriptions = new Set<Subscription<ProcessEvent>>();
  #state: State = { kind: 'running' };
  #killed = false;
  #onKilled: () => void = () => {};
  #deliveries = 0;
  #blockedDeliveries = 0;

  constructor(spawned: Spawned, config: ProcessConfig, tag: string | undefined) {
    const { child, io } = spawned;
    this.#child = child;
    this.pid = child.pid;
    this.config = config;
    this.tag = tag;
    if (io.kind === 'pty') {
      this.#terminal = io.terminal;
      this.#readers = [this.#read(io.terminal.master, 'pty')];
      this.#input = { kind: 'pty', writer: new TerminalWriter(io.terminal.master) };
    } else {
      this.#readers = [this.#read(io.stdout, 'stdout'), this.#read(io.stderr, 'stderr')];
      this.#input = { kind: 'stdin', writer: io.stdin === undefined ? undefined : new PipeWriter(io.stdin) };
    }
    this.ended = this.#run();
  }

  /** Attaches a reader: a start event, then what comes from now on, then the end. */
  subscribe(keepaliveMs: number): Subscription<ProcessEvent> {
    const keepalive: Keepalive<ProcessEvent> = {
      everyMs: keepaliveMs,
      item: { event: { case: 'keepalive', value: {} } },
    };
    const subscription = new Subscription<ProcessEvent>(keepalive, () => this.#subscriptions.delete(subscription));
    void subscription.offer({ event: { case: 'start', value: { pid: this.pid } } });
    if (this.#state.kind === 'ended') {
      void subscription.offer(this.#state.end);
      subscription.close();
    } else {
      this.#subscriptions.add(subscription);
    }
    return subscription;
  }

  /** Gives input; resolves when the process's input buffer has taken it. */
  async write(kind: 'stdin' | 'pty', bytes: Uint8Array): Promise<void> {
    if (kind !== this.#input.kind) {
      const reason = kind === 'pty' ? 'tty not assigned to process' : 'tty assigned to process';
      throw new EnvdError('internal', `error writing to ${kind}: ${reason}`);
    }
    const { writer } = this.#input;
    if (writer === undefined) throw new EnvdError('internal', 'error writing to stdin: stdin not enabled');
    if (writer.isClosed) throw new EnvdError('internal', `error writing to ${kind}: ${kind} not enabled or closed`);
    try {
      await writer.write(bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EnvdError('internal', `error writing to ${kind}: ${reason}`, { cause: error });
    }
  }

  async closeStdin(): Promise<void> {
    if (this.#input.kind === 'pty') {
      throw new EnvdError('unknown', 'cannot close stdin for PTY process - send Ctrl+D (0x04) instead');
    }
    await this.#input.writer?.close();
  }

  resize(size: TerminalSize): void {
    if (this.#terminal === undefined)
      throw new EnvdError('internal', 'error resizing tty: tty not assigned to process');
    if (this.#state.kind === 'ended') return;
    resizeTerminal(this.#terminal.master, size);
  }

  /** Sends a signal. Output that cannot be had for ever no longer delays the end after that. */
  signal(signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#killed = true;
    this.#onKilled();
    // Once it is reaped, its number may belong to somebody else.
    if (this.#state.kind === 'running') this.#child.kill(signal);
  }

  #read(descriptor: number, kind: OutputKind): DescriptorReader {
    const limit = MAX_OUTPUT_BYTES[kind];
    const deliverSlices = async (bytes: Uint8Array) => {
      for (let start = 0; start < bytes.length; start += limit) {
        const waiting = this.#publish(outputEvent(kind, bytes.subarray(start, start + limit)));
        if (waiting !== undefined) await waiting;
      }
    };
    return new DescriptorReader(descriptor, (bytes) => {
      this.#deliveries += 1;
      if (this.#subscriptions.size === 0) return undefined;
      return bytes.length <= limit ? this.#publish(outputEvent(kind, bytes)) : deliverSlices(bytes);
    });
  }

  /** Hands an event to all; resolves when the slowest has room again. */
  #publish(event: ProcessEvent): Promise<void> | undefined {
    const waits: Promise<void>[] = [];
    for (const subscription of this.#subscriptions) {
      const wait = subscription.offer(event);
      if (wait !== undefined) waits.push(wait);
    }
    if (waits.length === 0) return undefined;
    this.#blockedDeliveries += 1;
    return Promise.all(waits).then(() => {
      this.#blockedDeliveries -= 1;
    });
  }

  async #run(): Promise<ProcessEvent> {
    await this.#child.exited;
    this.#state = { kind: 'draining' };
    if (this.#terminal !== undefined) closeSync(this.#terminal.replica);
    const drained = Promise.all(this.#readers.map((reader) => reader.finished));
    await Promise.race([drained, this.#silenceAfterKill()]);
    // Input first: a terminal's descriptor is closed by its reader.
    await this.#input.writer?.destroy();
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    const end: ProcessEvent = {
      event: { case: 'end', value: exitStatus(this.#child.exitCode, this.#child.signalCode) },
    };
    this.#state = { kind: 'ended', end };
    for (const subscription of this.#subscriptions) {
      void subscription.offer(end);
      subscription.close();
    }
    this.#subscriptions.clear();
    return end;
  }

  /** Resolves when the process was killed through us and its pipes have been silent for a while. */
  async #silenceAfterKill(): Promise<void> {
    if (!this.#killed)
      await new Promise<void>((resolve) => {
        this.#onKilled = resolve;
      });
    for (;;) {
      const seen = this.#deliveries;
      await Bun.sleep(DRAIN_SILENCE_MS);
      if (this.#deliveries === seen && this.#blockedDeliveries === 0) return;
    }
  }
}

function outputEvent(kind: OutputKind, bytes: Uint8Array): ProcessEvent {
  return { event: { case: 'data', value: { output: { case: kind, value: bytes } } } };
}
