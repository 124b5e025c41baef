import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net';
import { encode } from 'dns-packet';
import type { Logger } from 'pino';
import { answerQuery, type DnsZone } from './dns-answer.ts';

/** TCP clients get this long between messages, and this many may be connected. */
const TCP_IDLE_MS = 10_000;
const MAX_TCP_CLIENTS = 64;

export interface DnsServerOptions extends DnsZone {
  readonly listenAddress: string;
  readonly port: number;
  readonly logger: Logger;
}

/** Answers DNS for the base domain over UDP and TCP on one port. */
export async function openDnsServer(options: DnsServerOptions): Promise<{ port: number; close(): Promise<void> }> {
  const { listenAddress, logger } = options;
  const zone = { domain: options.domain, address: options.address };
  const clients = new Set<Socket>();
  const tcp = createServer((socket) => {
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
    serveTcp(socket, zone);
  });
  tcp.maxConnections = MAX_TCP_CLIENTS;
  const port = await new Promise<number>((resolve, reject) => {
    tcp.once('error', reject);
    tcp.listen(options.port, listenAddress, () => resolve((tcp.address() as AddressInfo).port));
  });

  const udp = createSocket(isIPv6(listenAddress) ? 'udp6' : 'udp4');
  udp.on('message', (message, from) => {
    const reply = answerQuery(message, zone);
    if (reply !== undefined) udp.send(encode(reply), from.port, from.address, () => undefined);
  });
  await new Promise<void>((resolve, reject) => {
    udp.once('error', (error) => {
      tcp.close();
      reject(error);
    });
    udp.bind(port, listenAddress, resolve);
  });
  const report = (error: Error): void => logger.error({ err: error }, 'the DNS server failed');
  udp.on('error', report);
  tcp.on('error', report);

  return {
    port,
    close: async () => {
      for (const client of clients) client.destroy();
      await Promise.all([
        new Promise<void>((resolve) => tcp.close(() => resolve())),
        new Promise<void>((resolve) => udp.close(() => resolve())),
      ]);
    },
  };
}

/** Messages over TCP carry their length in two bytes (RFC 1035, 4.2.2). */
function serveTcp(socket: Socket, zone: DnsZone): void {
  let pending = Buffer.alloc(0);
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = answerQuery(pending.subarray(2, end), zone);
      pending = pending.subarray(end);
      if (reply === undefined) {
        socket.destroy();
        return;
      }
      const bytes = encode(reply);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
    }
  });
}
