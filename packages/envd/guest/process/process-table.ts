import type { ProcessSelector } from '@atoll/contract/envd';
import { EnvdError } from '../errors.ts';
import type { ManagedProcess } from './managed-process.ts';

/** How long the end of a process is kept for clients that connect late, in milliseconds. */
const END_RETENTION_MS = 30_000;

/** The processes clients started: those that run, and for a while those that have ended. */
export class ProcessTable {
  readonly #running = new Map<number, ManagedProcess>();
  readonly #ended = new Map<number, ManagedProcess>();

  add(process: ManagedProcess): void {
    this.#ended.delete(process.pid);
    this.#running.set(process.pid, process);
    void process.ended.then(() => this.#retain(process));
  }

  list(): ManagedProcess[] {
    return [...this.#running.values()];
  }

  /** Whether a process number belongs to a child of ours, whose end must be left to its owner. */
  isChild(pid: number): boolean {
    return this.#running.has(pid);
  }

  /** The running process a client means. Throws `not_found`. */
  find(selector: ProcessSelector | undefined): ManagedProcess {
    return this.#find(selector, [this.#running]);
  }

  /** Like {@link find}, and also those that ended less than 30 s ago. */
  findWithEnded(selector: ProcessSelector | undefined): ManagedProcess {
    return this.#find(selector, [this.#running, this.#ended]);
  }

  #find(selector: ProcessSelector | undefined, maps: readonly Map<number, ManagedProcess>[]): ManagedProcess {
    const wanted = selector?.selector;
    switch (wanted?.case) {
      case 'pid': {
        for (const map of maps) {
          const process = map.get(wanted.value);
          if (process !== undefined) return process;
        }
        throw new EnvdError('not_found', `process with pid ${wanted.value} not found`);
      }
      case 'tag': {
        for (const map of maps) {
          for (const process of map.values()) if (process.tag === wanted.value) return process;
        }
        throw new EnvdError('not_found', `process with tag ${wanted.value} not found`);
      }
      default:
        throw new EnvdError('unimplemented', 'invalid input type: the process selector holds neither pid nor tag');
    }
  }

  #retain(process: ManagedProcess): void {
    // The system may have given the number to a newer process already.
    if (this.#running.get(process.pid) !== process) return;
    this.#running.delete(process.pid);
    this.#ended.set(process.pid, process);
    setTimeout(() => {
      if (this.#ended.get(process.pid) === process) this.#ended.delete(process.pid);
    }, END_RETENTION_MS);
  }
}
