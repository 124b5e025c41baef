import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { CliError } from '../cli-error.ts';
import type { Settings } from '../settings/schema.ts';
import { isRunning } from './process-identity.ts';

const ServerStateSchema = Type.Object({
  pid: Type.Integer(),
  startTicks: Type.Integer(),
  apiUrl: Type.String(),
  sandboxUrl: Type.String(),
  domain: Type.Union([Type.String(), Type.Null()]),
  apiKey: Type.String(),
  accessToken: Type.String(),
  adminToken: Type.String(),
  runtime: Type.String(),
  version: Type.String(),
  instance: Type.String(),
});

/** What a running server tells other commands about itself. Holds keys: only its owner may read the file. */
export type ServerState = Static<typeof ServerStateSchema>;

const stateFile = (dataDir: string) => join(dataDir, 'run', 'server.json');

export function writeServerState(dataDir: string, state: ServerState): void {
  const path = stateFile(dataDir);
  mkdirSync(join(dataDir, 'run'), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

export function removeServerState(dataDir: string): void {
  rmSync(stateFile(dataDir), { force: true });
}

/** The server that runs on this data directory; undefined when none does, whatever an ended one left behind. */
export function findServer(dataDir: string): ServerState | undefined {
  let state: unknown;
  try {
    state = JSON.parse(readFileSync(stateFile(dataDir), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') {
      throw new CliError(`${stateFile(dataDir)} may not be read: it belongs to another user.`, {
        remedy: 'sudo ./atoll status',
      });
    }
    return undefined;
  }
  return Value.Check(ServerStateSchema, state) && isRunning(state) ? state : undefined;
}

/** {@link findServer}, for commands that make no sense without one. */
export function requireServer(settings: Settings): ServerState {
  const server = findServer(settings.dataDir);
  if (server !== undefined) return server;
  throw new CliError(`No Atoll is running on the data directory ${settings.dataDir}.`, { remedy: 'sudo ./atoll up' });
}
