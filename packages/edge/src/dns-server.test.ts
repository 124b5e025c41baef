import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { answerQuery } from './dns-answer.ts';
import { startEdge } from './testing.ts';

const zone = { domain: 'atoll.test', address: '192.0.2.7' };

async function startResolver(t: TestContext): Promise<{ resolver: Resolver; port: number }> {
  const { edge } = await startEdge(t, { dns: { address: '127.0.0.1', port: 0, answer: zone.address } });
  const resolver = new Resolver({ timeout: 1_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${edge.dnsPort}`]);
  return { resolver, port: edge.dnsPort ?? 0 };
}

test('a resolver finds the domain and every name beneath it', async (t) => {
  const { resolver } = await startResolver(t);
  for (const name of ['atoll.test', '49983-iguest.atoll.test', 'API.Atoll.TEST', 'a.b.atoll.test']) {
    assert.deepEqual(await resolver.resolve4(name), [zone.address]);
  }
  assert.equal((await resolver.resolveSoa('atoll.test')).nsname, 'ns.atoll.test');
  assert.deepEqual(await resolver.resolveNs('atoll.test'), ['ns.atoll.test']);
});

test('a name has no IPv6 address, which is not the same as not existing', async (t) => {
  const { resolver } = await startResolver(t);
  await assert.rejects(resolver.resolve6('80-iguest.atoll.test'), { code: 'ENODATA' });
});

test('names of other zones are refused', async (t) => {
  const { resolver } = await startResolver(t);
  await assert.rejects(resolver.resolve4('example.com'), { code: 'EREFUSED' });
  await assert.rejects(resolver.resolve4('notatoll.test'), { code: 'EREFUSED' });
});

test('TCP gives the same answers, several on one connection and split anywhere', async (t) => {
  const { port } = await startResolver(t);
  const query = encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'x.atoll.test' }] });
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  t.after(() => socket.destroy());
  socket.write(framed.subarray(0, 1));
  socket.write(Buffer.concat([framed.subarray(1), framed]));
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= 2 * (2 + received.readUInt16BE(0))) break;
  }
  const answer = decode(received.subarray(2, 2 + received.readUInt16BE(0)));
  assert.equal(answer.id, 7);
  assert.equal(JSON.stringify(answer.answers?.[0]).includes(zone.address), true);
});

test('rubbish and answers are not answered, so that no loop can start', async (t) => {
  assert.equal(answerQuery(Buffer.from('rubbish'), zone), undefined);
  assert.equal(answerQuery(Buffer.alloc(0), zone), undefined);
  const response = encode({ type: 'response', id: 1, questions: [{ type: 'A', name: 'atoll.test' }] });
  assert.equal(answerQuery(Buffer.from(response), zone), undefined);

  const { resolver, port } = await startResolver(t);
  const sender = createSocket('udp4');
  t.after(() => sender.close());
  await new Promise((resolve) => sender.send('rubbish', port, '127.0.0.1', resolve));
  assert.deepEqual(await resolver.resolve4('atoll.test'), [zone.address], 'the server goes on');
});
