import { renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Filesystem } from '@atoll/contract/envd';
import { basicUserName } from '../access.ts';
import { EnvdError, errnoCode } from '../errors.ts';
import { ensureDirectory, resolvePath } from '../paths.ts';
import { type CallContext, type Method, methodsOf } from '../rpc/method.ts';
import type { Settings } from '../settings.ts';
import { keepaliveInterval } from '../subscription.ts';
import { lookUpUser, type User } from '../users.ts';
import { type EntryInfo, entryInfo } from './entry-info.ts';
import { listDirectory } from './listing.ts';
import { PollingWatchers } from './polling-watchers.ts';
import { openWatch } from './watch.ts';

/** The service `filesystem.Filesystem`: the methods by path. Files are touched as root, then given to the user. */
export function filesystemMethods(settings: Settings): Map<string, Method> {
  const watchers = new PollingWatchers();
  const userOf = (context: CallContext) => lookUpUser(basicUserName(context.headers) ?? settings.defaultUser);
  const pathOf = (path: string, user: User) => {
    const resolved = resolvePath(path, user, settings.defaultWorkdir);
    return resolved === '' ? user.home : resolved;
  };
  const inHomeOf = (path: string, context: CallContext) => pathOf(path, userOf(context));

  return methodsOf(Filesystem, {
    stat: (request, context) => ({ entry: existingEntry(inHomeOf(request.path, context)) }),

    makeDir(request, context) {
      const user = userOf(context);
      const path = pathOf(request.path, user);
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats?.isDirectory()) throw new EnvdError('already_exists', `directory already exists: ${path}`);
      if (stats !== undefined)
        throw new EnvdError('invalid_argument', `path already exists but it is not a directory: ${path}`);
      ensureDirectory(path, user);
      return { entry: existingEntry(path) };
    },

    move(request, context) {
      const user = userOf(context);
      const source = pathOf(request.source, user);
      const destination = pathOf(request.destination, user);
      existingEntry(source);
      ensureDirectory(dirname(destination), user);
      try {
        renameSync(source, destination);
      } catch (error) {
        if (errnoCode(error) === 'ENOENT') throw notFound(source, error);
        throw error;
      }
      return { entry: existingEntry(destination) };
    },

    listDir: async (request, context) => ({
      entries: await listDirectory(inHomeOf(request.path, context), request.depth === 0 ? 1 : request.depth),
    }),

    async remove(request, context) {
      const path = inHomeOf(request.path, context);
      // force: a path that is missing already is what was asked for.
      await rm(path, { recursive: true, force: true });
      return {};
    },

    watchDir: (request, context) =>
      openWatch({ ...watchOptions(request), path: inHomeOf(request.path, context) }).subscribe(
        keepaliveInterval(context.headers),
      ),

    createWatcher: (request, context) => ({
      watcherId: watchers.add(openWatch({ ...watchOptions(request), path: inHomeOf(request.path, context) })),
    }),

    getWatcherEvents: (request) => ({ events: watchers.take(request.watcherId) }),

    removeWatcher(request) {
      watchers.remove(request.watcherId);
      return {};
    },
  });
}

function watchOptions(request: { recursive: boolean; includeEntry: boolean; allowNetworkMounts: boolean }) {
  const { recursive, includeEntry, allowNetworkMounts } = request;
  return { recursive, includeEntry, allowNetworkMounts };
}

function existingEntry(path: string): EntryInfo {
  try {
    return entryInfo(path);
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw notFound(path, error);
    throw error;
  }
}

function notFound(path: string, cause: unknown): EnvdError {
  return new EnvdError('not_found', `file not found: ${path}`, { cause });
}
