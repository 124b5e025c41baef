import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { DEFAULT_EGRESS } from '@atoll/contract';
import { type Answer, decode, encode, type RecordType, TRUNCATED_RESPONSE } from 'dns-packet';
import { pino } from 'pino';
import { parseCidr } from './cidr.ts';
import { readMessages, writeMessage } from './dns-stream.ts';
import { guardNetwork } from './egress-rules.ts';
import { openResolver } from './resolver.ts';
import { openTestPool, runInGuest } from './test-network.ts';
import { parseResolvConf } from './upstreams.ts';

const GUARD = guardNetwork(parseCidr('10.77.0.0/16'), ['127.0.0.0/8']);

/** A resolver on loopback: `address` for every name, truncated over UDP for "big.", silent for "silent.". */
async function startUpstream(t: TestContext, address: string): Promise<string> {
  const answer = (query: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined => {
    const { id = 0, questions = [] } = decode(query);
    const name = questions[0]?.name ?? '';
    if (name.startsWith('silent.')) return undefined;
    const truncated = name.startsWith('big.') && transport === 'udp';
    const answers: Answer[] = truncated ? [] : [{ type: 'A', name, data: address }];
    return encode({ type: 'response', id, flags: truncated ? TRUNCATED_RESPONSE : 0, questions, answers });
  };
  const tcp = createServer(async (socket) => {
    for await (const query of readMessages(socket)) {
      const message = answer(query, 'tcp');
      if (message !== undefined) writeMessage(socket, message);
    }
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    const message = answer(query, 'udp');
    if (message !== undefined) udp.send(message, from.port, from.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  t.after(() => {
    udp.close();
    tcp.close();
  });
  return `127.0.0.1:${port}`;
}

/** A resolver for one client, on loopback. */
async function startResolver(t: TestContext, upstreamResolvers: readonly string[]): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const resolver = await openResolver({
    address: '127.0.0.1',
    port,
    policyOf: () => DEFAULT_EGRESS,
    guard: GUARD,
    upstreamResolvers,
    logger: pino({ level: 'error' }),
  });
  t.after(() => resolver.close());
  return port;
}

async function askOverUdp(port: number, name: string, type: RecordType): Promise<ReturnType<typeof decode>> {
  const socket = createSocket('udp4');
  try {
    socket.send(encode({ type: 'query', id: 99, flags: 0x100, questions: [{ name, type }] }), port, '127.0.0.1');
    const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(8_000) })) as [Buffer];
    return decode(message);
  } finally {
    socket.close();
  }
}

test('a guest resolves names through its gateway, by the resolvers its policy names', async (t) => {
  const [first, second] = await Promise.all([startUpstream(t, '198.51.100.20'), startUpstream(t, '198.51.100.21')]);
  const [, port] = second.split(':');
  const pool = await openTestPool(t, { upstreamResolvers: [first] });
  const slot = await pool.acquire();
  const ask = (name: string, type: RecordType): Promise<string> =>
    runInGuest(slot.namespacePath, { kind: 'dns', host: slot.gateway, name, type });
  assert.equal(await ask('example.com', 'A'), '0 198.51.100.20');
  assert.equal(await ask('example.com', 'AAAA'), '0', 'no IPv6 addresses, and no waiting for them');
  assert.equal(await ask('5.1.168.192.in-addr.arpa', 'PTR'), '3', 'the host’s network has no names for guests');
  assert.ok(port !== undefined);

  await pool.applyEgress(slot, { ...DEFAULT_EGRESS, denyOut: ['0.0.0.0/0'] });
  assert.equal(await ask('secret.example.com', 'A'), '5', 'a guest that is cut off gets no name resolved');
  await pool.applyEgress(slot, { ...DEFAULT_EGRESS, allowOut: ['1.1.1.1'], denyOut: ['0.0.0.0/0'] });
  assert.equal(await ask('example.com', 'A'), '0 198.51.100.20');
  await assert.rejects(pool.applyEgress(slot, { ...DEFAULT_EGRESS, resolvers: ['10.0.0.1'] }), {
    code: 'invalid_request',
  });
});

test('a guest with resolvers of its own has only those asked', async (t) => {
  const upstream = await startUpstream(t, '198.51.100.20');
  const pool = await openTestPool(t, { upstreamResolvers: [upstream], allowedPrivate: ['127.0.0.1/32'] });
  const slot = await pool.acquire();
  // Nothing listens on port 53 of this loopback address.
  await pool.applyEgress(slot, { ...DEFAULT_EGRESS, resolvers: ['127.0.0.1'] });
  const task = { kind: 'dns', host: slot.gateway, name: 'example.com', type: 'A' } as const;
  assert.equal(await runInGuest(slot.namespacePath, task), '2');
});

test('after a restart the resolver answers an adopted guest again', async (t) => {
  const upstreamResolvers = [await startUpstream(t, '198.51.100.20')];
  const instance = `r${Math.random().toString(36).slice(2, 7)}`;
  const cidr = '10.99.7.0/24';
  const first = await openTestPool(t, { instance, cidr, upstreamResolvers });
  const slot = await first.acquire();
  await first.close({ remove: false });
  const second = await openTestPool(t, { instance, cidr, upstreamResolvers });
  await second.adopt(slot.index, DEFAULT_EGRESS);
  const task = { kind: 'dns', host: slot.gateway, name: 'example.com', type: 'A' } as const;
  assert.equal(await runInGuest(slot.namespacePath, task), '0 198.51.100.20');
});

test('an answer too big for UDP comes whole over TCP', async (t) => {
  const port = await startResolver(t, [await startUpstream(t, '198.51.100.20')]);
  const overUdp = await askOverUdp(port, 'big.example.com', 'A');
  assert.ok(overUdp.flag_tc);
  const socket = connect(port, '127.0.0.1');
  for (const id of [1, 2]) {
    writeMessage(socket, encode({ type: 'query', id, questions: [{ name: 'big.example.com', type: 'A' }] }));
  }
  const ids: (number | undefined)[] = [];
  for await (const message of readMessages(socket)) {
    const answer = decode(message);
    assert.equal(answer.answers?.length, 1);
    ids.push(answer.id);
    if (ids.length === 2) break;
  }
  assert.deepEqual(ids, [1, 2], 'one connection carries several questions');
});

test('a resolver that does not answer is passed over', async (t) => {
  const port = await startResolver(t, ['127.0.0.1:9', await startUpstream(t, '198.51.100.20')]);
  const answer = await askOverUdp(port, 'example.com', 'A');
  assert.equal(answer.answers?.length, 1);
});

test('a guest that asks too much at once is refused, and then served again', async (t) => {
  const port = await startResolver(t, [await startUpstream(t, '198.51.100.20')]);
  const codes = await Promise.all(
    Array.from({ length: 100 }, async () => ((await askOverUdp(port, 'example.com', 'A')).flags ?? 0) & 15),
  );
  assert.ok(codes.includes(0) && codes.includes(5));
  assert.equal((await askOverUdp(port, 'example.com', 'A')).answers?.length, 1);
});

test('malformed messages get no answer and do no harm', async (t) => {
  const port = await startResolver(t, [await startUpstream(t, '198.51.100.20')]);
  const socket = createSocket('udp4');
  for (const junk of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(12), Buffer.alloc(600, 0xff)]) {
    socket.send(junk, port, '127.0.0.1');
  }
  const stream = connect(port, '127.0.0.1');
  stream.write(Buffer.from([0, 1, 0]));
  await once(stream.resume(), 'close');
  assert.equal((await askOverUdp(port, 'example.com', 'A')).answers?.length, 1);
  assert.equal((await askOverUdp(port, 'example.com', 'ANY' as RecordType)).answers?.length, 0);
  socket.close();
});

test('the host’s resolvers are read from resolv.conf, loopback ones included', () => {
  assert.deepEqual(
    parseResolvConf('# c\nsearch x\nnameserver 127.0.0.53\nnameserver\t10.0.0.2 \nnameserver fe80::1\n'),
    ['127.0.0.53', '10.0.0.2'],
  );
  assert.deepEqual(parseResolvConf(''), ['127.0.0.1']);
});
