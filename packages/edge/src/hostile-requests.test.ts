import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeTo, sendRaw, startEdge, startGuest } from './testing.ts';

test('requests that two servers could read differently are refused and end the connection', async (t) => {
  const { edge, routes } = await startEdge(t);
  let reached = 0;
  const port = await startGuest(t, '127.0.0.80', (_request, response) => {
    reached += 1;
    response.end('reached');
  });
  routes.publish(routeTo('127.0.0.80'));
  const host = `Host: ${port}-iguest.atoll.test\r\n`;
  const hidden = `GET /hidden HTTP/1.1\r\n${host}\r\n`;
  const cases: Record<string, string> = {
    'length and chunks': `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'chunks and length': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${hidden}`,
    'two lengths': `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`,
    'a length that is no number': `POST / HTTP/1.1\r\n${host}Content-Length: +1\r\n\r\nx`,
    'an unknown coding': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    'two codings': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'a coding twice': `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a blank before the colon': `POST / HTTP/1.1\r\n${host}Content-Length : 1\r\n\r\nx`,
    'a folded field': `GET / HTTP/1.1\r\n${host}X-A: a\r\n b\r\n\r\n`,
    'two hosts': `GET / HTTP/1.1\r\n${host}Host: 80-iother.atoll.test\r\n\r\n`,
    'two hosts that agree': `GET / HTTP/1.1\r\n${host}${host}\r\n`,
    'a target and a host that differ': `GET http://80-iother.atoll.test/ HTTP/1.1\r\n${host}\r\n`,
    'a target of another scheme': `GET ftp://x/ HTTP/1.1\r\n${host}\r\n`,
    'a bare line feed': `GET / HTTP/1.1\n${host}\r\n`,
    'a NUL in a value': `GET / HTTP/1.1\r\n${host}X-A: a\0b\r\n\r\n`,
    'no HTTP at all': 'hello?\r\n\r\n',
  };
  for (const [name, text] of Object.entries(cases)) {
    const answer = await sendRaw(edge, text);
    assert.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/, name);
    assert.equal(answer.match(/HTTP\/1.1 /g)?.length, 1, `${name}: one answer only`);
  }
  assert.equal(reached, 0);
});

test('an upgrade to HTTP/2 opens no way past the checks', async (t) => {
  const { edge, routes } = await startEdge(t);
  let upgrades = 0;
  const port = await startGuest(t, '127.0.0.81', (request, response) => {
    if (request.headers.upgrade !== undefined) upgrades += 1;
    response.end('plain');
  });
  routes.publish(routeTo('127.0.0.81'));
  const fields = `Host: ${port}-iguest.atoll.test\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n`;
  const upgrade = `GET / HTTP/1.1\r\n${fields}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n`;
  const answer = await sendRaw(edge, `${upgrade}GET /hidden HTTP/1.1\r\n${fields}\r\n`);
  assert.equal(answer.match(/plain/g)?.length, 1);
  assert.match(answer, /^HTTP\/1.1 200 /);
  assert.equal(upgrades, 0);
});

test('a thousand header fields and huge ones are answered 431', async (t) => {
  const { edge } = await startEdge(t);
  const host = 'Host: 80-iguest.atoll.test\r\n';
  const many = Array.from({ length: 1_000 }, (_, i) => `X-${i}: 1\r\n`).join('');
  for (const fields of [many, `X-Huge: ${'x'.repeat(100_000)}\r\n`]) {
    const answer = await sendRaw(edge, `GET / HTTP/1.1\r\n${host}${fields}\r\n`);
    assert.match(answer, /^HTTP\/1.1 431 Request Header Fields Too Large\r\n/);
  }
});

test('fields of the connection stay on it, and Connection can not take the host or the length away', async (t) => {
  const { edge, routes } = await startEdge(t);
  const port = await startGuest(t, '127.0.0.82', (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      response.writeHead(200, { Connection: 'close, X-Hop', 'X-Hop': '1', 'Keep-Alive': 'timeout=1', 'X-End': '1' });
      response.end(JSON.stringify({ ...request.headers, body }));
    });
  });
  routes.publish(routeTo('127.0.0.82'));
  const fields =
    'Connection: X-Mine, Content-Length, Host, close\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nX-Kept: 1\r\n';
  const answer = await sendRaw(
    edge,
    `POST / HTTP/1.1\r\nHost: ${port}-iguest.atoll.test\r\n${fields}Content-Length: 4\r\n\r\nbody`,
  );
  assert.doesNotMatch(answer, /x-hop|timeout=1/i);
  assert.match(answer, /X-End: 1/);
  const seen = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
  assert.deepEqual(
    [seen['x-mine'], seen['keep-alive'], seen['proxy-authorization'], seen['x-kept'], seen.body],
    [undefined, undefined, undefined, '1', 'body'],
  );
});

test('CONNECT is refused', async (t) => {
  const { edge } = await startEdge(t);
  assert.match(
    await sendRaw(edge, 'CONNECT 80-iguest.atoll.test:80 HTTP/1.1\r\nHost: 80-iguest.atoll.test\r\n\r\n'),
    /^HTTP\/1.1 405 /,
  );
});
