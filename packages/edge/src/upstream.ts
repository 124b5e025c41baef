import { Agent, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { RouteTable, SandboxRoute } from '@atoll/contract';
import { connectPatiently } from './connect.ts';
import { hostNameOf, isAddressLiteral } from './host-name.ts';

/**
 * How long an unused connection to a sandbox is kept. Shorter than every server's own limit that we know, so that it is
 * nearly always we who close; a new connection costs a fraction of a millisecond.
 */
const IDLE_MS = 55_000;
const MAX_IDLE_PER_PORT = 64;

/** Gives connections of one kind to one place, kept alive between requests. */
class ConnectionPool extends Agent {
  readonly #tls: boolean;
  readonly #signal: AbortSignal;

  constructor(options: { tls: boolean; keepAlive: boolean; signal: AbortSignal }) {
    super({ keepAlive: options.keepAlive, maxFreeSockets: MAX_IDLE_PER_PORT, timeout: IDLE_MS, scheduling: 'lifo' });
    this.#tls = options.tls;
    this.#signal = options.signal;
  }

  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    // Node's agent always gives a callback; on failure it takes the error alone, which its type does not say.
    const done = callback as (error: Error | null, socket?: Duplex) => void;
    const { host, port, headers } = options;
    connectPatiently({ address: host ?? '', port: Number(port) }, this.#signal).then((socket) => {
      if (!this.#tls) return done(null, socket);
      const name = hostNameOf(Array.isArray(headers) ? String(headers[1]) : '');
      const secure = connectTls({
        socket,
        // The guest's certificate proves nothing: the edge reaches the guest by its own private link.
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1'],
        ...(name === undefined || isAddressLiteral(name) ? {} : { servername: name }),
      });
      return done(null, secure);
    }, done);
  }
}

/**
 * All connections to one life of one sandbox (from a start or resume to the next stop). They end with it: an address is
 * given to another sandbox later, and a kept connection must never carry a request there.
 */
export class SandboxLife {
  readonly lifecycleId: string;
  readonly address: string;
  readonly #ending = new AbortController();
  readonly #open = new Set<() => void>();
  readonly #pools = new Map<string, ConnectionPool>();

  constructor(route: SandboxRoute) {
    this.lifecycleId = route.lifecycleId;
    this.address = route.address;
  }

  /** Requests and tunnels open now. */
  get openCount(): number {
    return this.#open.size;
  }

  get ended(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Connections for requests. `reuse: false` gives a new one that is closed afterwards. */
  pool(options: { tls: boolean; reuse: boolean }): Agent {
    const key = `${options.tls ? 'tls' : 'tcp'}:${options.reuse ? 'kept' : 'single'}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new ConnectionPool({ tls: options.tls, keepAlive: options.reuse, signal: this.#ending.signal });
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** Registers something open that `end` must break off. Returns the way to say that it is over. */
  enter(breakOff: () => void): () => void {
    this.#open.add(breakOff);
    return () => this.#open.delete(breakOff);
  }

  /** Breaks everything off at once: the guest is gone or frozen and would never answer. */
  end(): void {
    this.#ending.abort();
    for (const breakOff of [...this.#open]) breakOff();
    this.#open.clear();
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }
}

/** The lives the edge has connections to, kept in step with the routes. */
export class SandboxLives {
  readonly #routes: RouteTable;
  readonly #lives = new Map<string, SandboxLife>();
  readonly #stopWatching: () => void;

  constructor(routes: RouteTable) {
    this.#routes = routes;
    this.#stopWatching = routes.onChange((sandboxId) => this.#check(sandboxId));
  }

  of(route: SandboxRoute): SandboxLife {
    const known = this.#lives.get(route.sandboxId);
    if (known !== undefined && isSameLife(known, route)) return known;
    known?.end();
    const life = new SandboxLife(route);
    this.#lives.set(route.sandboxId, life);
    return life;
  }

  close(): void {
    this.#stopWatching();
    for (const life of this.#lives.values()) life.end();
    this.#lives.clear();
  }

  #check(sandboxId: string): void {
    const life = this.#lives.get(sandboxId);
    if (life === undefined) return;
    const route = this.#routes.get(sandboxId);
    if (route !== undefined && isSameLife(life, route)) return;
    this.#lives.delete(sandboxId);
    life.end();
  }
}

function isSameLife(life: SandboxLife, route: SandboxRoute): boolean {
  return life.lifecycleId === route.lifecycleId && life.address === route.address;
}
