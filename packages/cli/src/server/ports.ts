import { createServer } from 'node:net';
import { CliError } from '../cli-error.ts';
import type { Settings } from '../settings/schema.ts';

/** A port of the settings, and whether it can be listened on. */
export interface PortState {
  readonly flag: string;
  readonly port: number;
  /** The code of the error that listening gives; undefined when it works. */
  readonly problem: string | undefined;
}

/** Tries every port that the settings name. Those that are 0 or absent are left out. */
export function tryPorts(settings: Settings): Promise<PortState[]> {
  const ports = [
    ['api-port', settings.apiPort],
    ['edge-port', settings.edgePort],
    ['tls-port', settings.tlsPort],
    ['dns-port', settings.dnsPort],
  ] as const;
  const wanted = ports.flatMap(([flag, port]) => (port === undefined || port === 0 ? [] : [{ flag, port }]));
  return Promise.all(wanted.map(async (one) => ({ ...one, problem: await tryToListen(settings.host, one.port) })));
}

/** What a person does about a port that cannot be listened on. */
export function cureOf({ flag, port, problem }: PortState): string {
  const another = `choose another with --${flag}`;
  if (problem === 'EADDRINUSE') return `Stop what uses it (ss -ltnp 'sport = :${port}' shows it), or ${another}.`;
  return `Use an address of this machine with --host, or ${another}.`;
}

/** Throws before any work is done when a port cannot be had, with the cure. */
export async function requirePorts(settings: Settings): Promise<void> {
  const blocked = (await tryPorts(settings)).find(({ problem }) => problem !== undefined);
  if (blocked === undefined) return;
  const reason = blocked.problem === 'EADDRINUSE' ? 'something else listens there' : blocked.problem;
  throw new CliError(`Port ${blocked.port} on ${settings.host} cannot be used: ${reason}.`, {
    remedy: cureOf(blocked),
  });
}

/** The settings with a number for every port: 0 becomes one that is free now. Firewall rules name ports before they are opened. */
export async function resolvePorts(settings: Settings): Promise<Settings> {
  const resolved: Settings = { ...settings };
  for (const name of ['apiPort', 'edgePort', 'tlsPort', 'dnsPort'] as const) {
    if (settings[name] === 0) resolved[name] = await freePort(settings.host);
  }
  return resolved;
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
