import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EventType } from '@atoll/contract/envd';
import { errnoCode } from '../errors.ts';
import { IN, Inotify, type InotifyEvent } from '../native/inotify.ts';

/** A change, by its name relative to the watched directory. */
export interface Change {
  readonly name: string;
  readonly type: EventType;
}

/** One notification may hold several changes; clients get them in this order. */
const CHANGES: readonly (readonly [mask: number, type: EventType])[] = [
  [IN.CREATE | IN.MOVED_TO, EventType.CREATE],
  [IN.MOVED_FROM | IN.MOVE_SELF, EventType.RENAME],
  [IN.ATTRIB, EventType.CHMOD],
  [IN.MODIFY, EventType.WRITE],
  [IN.DELETE | IN.DELETE_SELF, EventType.REMOVE],
];

/** Watches a directory, and with `recursive` every directory beneath it, also those made later. */
export class WatchTree {
  readonly #root: string;
  readonly #recursive: boolean;
  readonly #inotify: Inotify;
  /** Watched directories by watch number, relative to the root; the root is "". */
  readonly #directories = new Map<number, string>();
  /** Found by looking into a new directory; their own notification may still come. */
  readonly #announced = new Set<string>();

  constructor(root: string, recursive: boolean, onChanges: (changes: Change[]) => Promise<void> | undefined) {
    this.#root = root;
    this.#recursive = recursive;
    this.#inotify = new Inotify((events) => {
      const changes = events.flatMap((event) => this.#changesOf(event));
      this.#announced.clear();
      return changes.length === 0 ? undefined : onChanges(changes);
    });
    try {
      this.#directories.set(this.#inotify.add(root), '');
      if (recursive) this.#addBeneath('', () => {});
    } catch (error) {
      void this.#inotify.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#inotify.close();
  }

  #changesOf(event: InotifyEvent): Change[] {
    const directory = this.#directories.get(event.watch);
    if (directory === undefined) return [];
    if (event.mask & IN.IGNORED) {
      this.#directories.delete(event.watch);
      return [];
    }
    const ofItself = event.name === '';
    // What happens to a directory beneath is told by its parent as well.
    if (ofItself && directory !== '') return [];
    const name = ofItself ? '.' : join(directory, event.name);
    const changes = CHANGES.filter(([mask]) => event.mask & mask).map(([, type]) => ({ name, type }));
    if (event.mask & IN.CREATE && this.#announced.delete(name)) changes.shift();
    if (this.#recursive && event.mask & IN.ISDIR) {
      if (event.mask & IN.MOVED_FROM) this.#removeBeneath(name);
      if (event.mask & (IN.CREATE | IN.MOVED_TO)) changes.push(...this.#addNew(name));
    }
    return changes;
  }

  /** Watches a directory that appeared; what was put into it before we looked is announced as created. */
  #addNew(directory: string): Change[] {
    const found: Change[] = [];
    this.#addDirectory(directory);
    this.#addBeneath(directory, (name) => {
      this.#announced.add(name);
      found.push({ name, type: EventType.CREATE });
    });
    return found;
  }

  #addBeneath(directory: string, onFound: (name: string) => void): void {
    for (const entry of this.#entries(directory)) {
      const name = join(directory, entry.name);
      onFound(name);
      if (!entry.isDirectory()) continue;
      this.#addDirectory(name);
      this.#addBeneath(name, onFound);
    }
  }

  #addDirectory(directory: string): void {
    try {
      this.#directories.set(this.#inotify.add(join(this.#root, directory)), directory);
    } catch (error) {
      // Gone again, or replaced by something else, before we looked.
      if (errnoCode(error) !== 'ENOENT' && errnoCode(error) !== 'ENOTDIR') throw error;
    }
  }

  #removeBeneath(directory: string): void {
    for (const [watch, watched] of this.#directories) {
      if (watched !== directory && !watched.startsWith(`${directory}/`)) continue;
      this.#directories.delete(watch);
      this.#inotify.remove(watch);
    }
  }

  #entries(directory: string) {
    try {
      return readdirSync(join(this.#root, directory), { withFileTypes: true });
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENOTDIR') return [];
      throw error;
    }
  }
}
