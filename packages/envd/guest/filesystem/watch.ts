import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { EventType, type FilesystemEventSchema, type WatchDirResponseSchema } from '@atoll/contract/envd';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { EnvdError, errnoCode } from '../errors.ts';
import { Subscription } from '../subscription.ts';
import { entryIfThere, requireDirectory } from './listing.ts';
import { type Change, WatchTree } from './watch-tree.ts';

export type FilesystemEvent = MessageInitShape<typeof FilesystemEventSchema>;
type WatchDirResponse = MessageInitShape<typeof WatchDirResponseSchema>;

export interface WatchOptions {
  readonly path: string;
  readonly recursive: boolean;
  readonly includeEntry: boolean;
  readonly allowNetworkMounts: boolean;
}

/** statfs(2) types of file systems whose changes made elsewhere are not notified: NFS, CIFS, SMB, SMB2, FUSE. */
const NETWORK_FILE_SYSTEMS = new Set([0x6969, 0xff534d42, 0x517b, 0xfe534d42, 0x65735546]);

const TYPES_WITH_ENTRY = new Set([EventType.CREATE, EventType.WRITE, EventType.CHMOD]);

/** A checked directory that is ready to be watched. */
export interface Watch {
  readonly options: WatchOptions;
  /** The events as a stream: a start event first. */
  subscribe(keepaliveMs: number): Subscription<WatchDirResponse>;
}

/** Checks a directory. Throws `not_found` or `invalid_argument`. */
export function openWatch(options: WatchOptions): Watch {
  requireDirectory(options.path);
  const type = statfsSync(options.path).type >>> 0;
  if (!options.allowNetworkMounts && NETWORK_FILE_SYSTEMS.has(type)) {
    throw new EnvdError(
      'invalid_argument',
      `path is on a network filesystem, where changes made elsewhere are not seen: ${options.path}; set allow_network_mounts to watch it all the same`,
    );
  }
  return {
    options,
    subscribe(keepaliveMs) {
      const keepalive = { everyMs: keepaliveMs, item: { event: { case: 'keepalive', value: {} } } } as const;
      const subscription = new Subscription<WatchDirResponse>(keepalive, () => void tree.close());
      const tree = watchEvents(options, async (events) => {
        for (const event of events) await subscription.offer({ event: { case: 'filesystem', value: event } });
      });
      void subscription.offer({ event: { case: 'start', value: {} } });
      return subscription;
    },
  };
}

/** Starts watching. Throws `resource_exhausted` when the system has no watches left. */
export function watchEvents(
  options: WatchOptions,
  onEvents: (events: FilesystemEvent[]) => Promise<void> | undefined,
): WatchTree {
  try {
    return new WatchTree(options.path, options.recursive, (changes) =>
      onEvents(changes.map((change) => eventOf(change, options))),
    );
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOSPC' || code === 'EMFILE') {
      throw new EnvdError('internal', `error adding path ${options.path} to watcher: no watches left (${code})`, {
        cause: error,
      });
    }
    throw error;
  }
}

function eventOf(change: Change, options: WatchOptions): FilesystemEvent {
  if (!options.includeEntry || !TYPES_WITH_ENTRY.has(change.type)) return change;
  const entry = entryIfThere(join(options.path, change.name));
  return entry === undefined ? change : { ...change, entry };
}
