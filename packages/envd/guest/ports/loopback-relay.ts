import { connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { LogRing } from '../logs.ts';
import { type ListeningPort, listeningPorts } from './listening-sockets.ts';

/** How often the sockets are looked at, in milliseconds, while the sandbox is in use, and while it is not. */
const ACTIVE_INTERVAL_MS = 1_000;
const IDLE_INTERVAL_MS = 5_000;

/** How long after a client's last request a sandbox counts as in use, in milliseconds. */
const ACTIVE_FOR_MS = 60_000;

interface Relay {
  readonly server: Server;
  readonly sockets: Set<Socket>;
}

/**
 * Makes programs that listen only on the loopback address reachable from outside: for each such port it listens on the
 * guest's external address and passes connections on.
 */
export class LoopbackRelay {
  readonly #ownPort: number;
  readonly #logs: LogRing;
  readonly #lastRequestAt: () => number;
  readonly #relays = new Map<number, Relay>();
  readonly #timer: NodeJS.Timeout;
  #nextScanAt = 0;

  constructor(ownPort: number, lastRequestAt: () => number, logs: LogRing) {
    this.#ownPort = ownPort;
    this.#lastRequestAt = lastRequestAt;
    this.#logs = logs;
    this.#timer = setInterval(() => this.#scanWhenDue(), ACTIVE_INTERVAL_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const port of [...this.#relays.keys()]) this.#stop(port);
  }

  #scanWhenDue(): void {
    const now = performance.now();
    const isActive = now - this.#lastRequestAt() < ACTIVE_FOR_MS;
    if (!isActive && now < this.#nextScanAt) return;
    this.#nextScanAt = now + IDLE_INTERVAL_MS;
    this.scan();
  }

  /** Compares what listens with what is relayed, and starts and stops relays. */
  scan(): void {
    const wanted = new Map<number, ListeningPort>();
    for (const found of listeningPorts()) {
      if (found.port === this.#ownPort || found.loopback === undefined) continue;
      // A relay of ours is the external listener that makes it look reachable already.
      if (!found.isExternal || this.#relays.has(found.port)) wanted.set(found.port, found);
    }
    for (const port of this.#relays.keys()) if (!wanted.has(port)) this.#stop(port);
    for (const found of wanted.values()) {
      if (!this.#relays.has(found.port) && found.loopback !== undefined) this.#start(found.port, found.loopback);
    }
  }

  #start(port: number, loopback: string): void {
    const address = externalAddress();
    if (address === undefined) return;
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (outside) => {
      join(outside, connect({ port, host: loopback, allowHalfOpen: true, noDelay: true }), sockets);
    });
    this.#relays.set(port, { server, sockets });
    server.on('error', (error) => {
      this.#logs.add('warn', 'ports', `Port ${port} cannot be relayed`, { error: String(error) });
      this.#relays.delete(port);
    });
    server.listen(port, address);
    this.#logs.add('debug', 'ports', `Port ${port} of ${loopback} is relayed`);
  }

  #stop(port: number): void {
    const relay = this.#relays.get(port);
    this.#relays.delete(port);
    relay?.server.close();
    for (const socket of relay?.sockets ?? []) socket.destroy();
  }
}

function join(outside: Socket, inside: Socket, sockets: Set<Socket>): void {
  for (const [from, to] of [
    [outside, inside],
    [inside, outside],
  ] as const) {
    sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroySoon();
    });
    from.pipe(to);
  }
}

function externalAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find((found) => !found.internal && found.family === 'IPv4')?.address;
}
