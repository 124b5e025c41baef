import { EnvdError } from '../errors.ts';
import { randomId } from '../random-id.ts';
import { type FilesystemEvent, type Watch, watchEvents } from './watch.ts';
import type { WatchTree } from './watch-tree.ts';

/** Events kept for one client that does not come to fetch them. */
const MAX_EVENTS = 100_000;

interface PollingWatcher {
  readonly tree: WatchTree;
  events: FilesystemEvent[];
  overflown: boolean;
}

/** Watchers of clients without streams: events gather until the client asks. They live until they are removed. */
export class PollingWatchers {
  readonly #watchers = new Map<string, PollingWatcher>();

  /** Starts watching and returns the watcher's id. */
  add(watch: Watch): string {
    const watcher: PollingWatcher = {
      tree: watchEvents(watch.options, (events) => {
        if (watcher.events.length + events.length > MAX_EVENTS) watcher.overflown = true;
        else watcher.events.push(...events);
        return undefined;
      }),
      events: [],
      overflown: false,
    };
    const id = `w${randomId()}`;
    this.#watchers.set(id, watcher);
    return id;
  }

  /** The events since the last call. Throws `internal` when some were lost. */
  take(id: string): FilesystemEvent[] {
    const watcher = this.#find(id);
    const { events, overflown } = watcher;
    watcher.events = [];
    watcher.overflown = false;
    if (overflown) {
      throw new EnvdError('internal', `watcher ${id} had more than ${MAX_EVENTS} events; they were dropped`);
    }
    return events;
  }

  remove(id: string): void {
    const watcher = this.#find(id);
    this.#watchers.delete(id);
    void watcher.tree.close();
  }

  #find(id: string): PollingWatcher {
    const watcher = this.#watchers.get(id);
    if (watcher === undefined) throw new EnvdError('not_found', `watcher with id ${id} not found`);
    return watcher;
  }
}
