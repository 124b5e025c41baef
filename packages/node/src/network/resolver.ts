import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { AtollError, type EgressPolicy } from '@atoll/contract';
import type { Logger } from 'pino';
import { ClientBudget } from './client-budget.ts';
import { answerLocally, encodeVerdict, readQuery } from './dns-answers.ts';
import { readMessages, writeMessage } from './dns-stream.ts';
import { askUpstreams, parseUpstream } from './dns-upstream.ts';
import { isCutOff, type NetworkGuard, permittedResolvers } from './egress-rules.ts';
import { hostResolvers } from './upstreams.ts';

/**
 * Port on the instance's host address. Not 53, which a resolver of the host may hold on every address; guests ask port 53
 * of their gateway, and the firewall translates.
 */
export const RESOLVER_PORT = 53_053;

/** A connection on which nothing is asked for so long is closed. */
const IDLE_CONNECTION_MS = 10_000;

/** Questions of all guests that wait for an answer; each holds a socket. */
const MAX_OPEN_QUESTIONS = 2_048;

export interface ResolverOptions {
  readonly address: string;
  readonly port: number;
  /** The policy of the guest with this address; undefined when there is none, whose questions are not answered. */
  readonly policyOf: (address: string) => EgressPolicy | undefined;
  readonly guard: NetworkGuard;
  /** `address` or `address:port`. Default: the host's resolvers. */
  readonly upstreamResolvers?: readonly string[];
  readonly logger: Logger;
}

/** Answers the guests' DNS questions over UDP and TCP by asking others. */
export interface Resolver {
  /** To be called when an address goes back: its next owner starts with a full budget. */
  forget(address: string): void;
  /** Settles when both listeners, all connections and all questions are gone. */
  close(): Promise<void>;
}

/**
 * Starts the resolver of an instance. A guest that its policy cuts off entirely gets every question refused, because
 * names would be a way out; any other policy leaves names working, as upstream does.
 */
export async function openResolver(options: ResolverOptions): Promise<Resolver> {
  const service = new ResolverService(options);
  await service.listen();
  return service;
}

class ResolverService implements Resolver {
  readonly #options: ResolverOptions;
  readonly #hostResolvers = hostResolvers();
  readonly #budget = new ClientBudget();
  readonly #closing = new AbortController();
  readonly #connections = new Set<Socket>();
  readonly #questions = new Set<Promise<void>>();
  #waiting = 0;
  #closed: Promise<void> | undefined;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (message, { address, port }) => {
      this.#track(this.#answer(message, address, 'udp'), (answer) => this.#udp.send(answer, port, address));
    });
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  async listen(): Promise<void> {
    const { address, port, logger } = this.#options;
    try {
      const listening = Promise.all([once(this.#udp, 'listening'), once(this.#tcp, 'listening')]);
      this.#udp.bind(port, address);
      this.#tcp.listen(port, address);
      await listening;
    } catch (cause) {
      this.#udp.close();
      this.#tcp.close();
      throw new AtollError(
        'conflict',
        `The sandboxes' DNS resolver cannot listen on ${address}:${port}; is this instance running already?`,
        { cause },
      );
    }
    this.#udp.on('error', (error) => logger.error({ err: error }, 'The DNS resolver has an error on its UDP socket.'));
    this.#tcp.on('error', (error) => logger.error({ err: error }, 'The DNS resolver has an error on its TCP socket.'));
  }

  forget(address: string): void {
    this.#budget.forget(address);
  }

  close(): Promise<void> {
    this.#closed ??= this.#stop();
    return this.#closed;
  }

  async #stop(): Promise<void> {
    this.#closing.abort();
    const closed = [once(this.#udp, 'close'), once(this.#tcp, 'close')];
    for (const socket of this.#connections) socket.destroy();
    this.#tcp.close();
    await Promise.all(this.#questions);
    this.#udp.close();
    await Promise.all(closed);
  }

  #serve(socket: Socket): void {
    const client = socket.remoteAddress ?? '';
    if (this.#options.policyOf(client) === undefined || !this.#budget.startConnection(client)) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.setTimeout(IDLE_CONNECTION_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#budget.endConnection(client);
    });
    const serve = async (): Promise<void> => {
      for await (const message of readMessages(socket)) {
        const answer = await this.#answer(message, client, 'tcp');
        if (answer === undefined) break;
        writeMessage(socket, answer);
      }
    };
    // Whatever ends the conversation, the client sees the connection close.
    serve().then(
      () => socket.end(),
      () => socket.destroy(),
    );
  }

  /** The answer to one message; undefined for what deserves none. Never throws. */
  async #answer(message: Buffer, client: string, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const { guard, logger, policyOf } = this.#options;
    const policy = policyOf(client);
    const query = policy === undefined ? undefined : readQuery(message);
    if (policy === undefined || query === undefined) return undefined;
    if (isCutOff(policy)) return encodeVerdict(query, 'refused');
    const verdict = answerLocally(query, guard);
    if (verdict !== undefined) return encodeVerdict(query, verdict);
    if (this.#waiting >= MAX_OPEN_QUESTIONS || !this.#budget.startQuestion(client)) {
      return encodeVerdict(query, 'refused');
    }
    this.#waiting += 1;
    try {
      const upstreams =
        permittedResolvers(policy, guard) ?? this.#options.upstreamResolvers ?? (await this.#hostResolvers());
      return await askUpstreams(message, upstreams.map(parseUpstream), transport, this.#closing.signal);
    } catch (error) {
      if (!this.#closing.signal.aborted) logger.debug({ err: error, client }, 'No resolver answered a guest.');
      return encodeVerdict(query, 'failed');
    } finally {
      this.#waiting -= 1;
      this.#budget.endQuestion(client);
    }
  }

  #track(answering: Promise<Buffer | undefined>, send: (answer: Buffer) => void): void {
    const question = answering
      .then((answer) => {
        if (answer !== undefined && !this.#closing.signal.aborted) send(answer);
      })
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'A DNS answer could not be sent.'))
      .finally(() => this.#questions.delete(question));
    this.#questions.add(question);
  }
}
