import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openTestControl, type TestControl } from '../testing/test-control.ts';

let atoll: TestControl;
before(async () => {
  atoll = await openTestControl();
});
after(() => atoll.close());

test('malformed JSON is refused as such, whatever its content type', async () => {
  for (const body of ['{', '{"templateID":}', 'templateID=base', '\u0001']) {
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      const { status, json } = await atoll.ask('POST /v2/sandboxes', body, { 'Content-Type': type });
      assert.equal(status, 400);
      assert.equal(json.error_code, 'invalid_json');
    }
  }
});

test('a body of the wrong shape is refused with the name of the field', async () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{}, /^validation error: templateID is required/],
    [{ templateID: null }, /templateID/],
    [{ templateID: 5 }, /^validation error: templateID must be string/],
    [{ templateID: '' }, /templateID/],
    [{ templateID: 'base', timeout: '300' }, /^validation error: timeout must be integer/],
    [{ templateID: 'base', timeout: 1.5 }, /timeout/],
    [{ templateID: 'base', timeout: 0 }, /timeout must be greater than 0/],
    [{ templateID: 'base', timeout: -1 }, /timeout/],
    [{ templateID: 'base', timeout: 86_401 }, /Timeout cannot be greater than 24 hours/],
    [{ templateID: 'base', metadata: { a: 1 } }, /metadata\.a must be string/],
    [{ templateID: 'base', metadata: { 'a\nb': 1 } }, /metadata/],
    [{ templateID: 'base', metadata: 'a=b' }, /metadata must be object/],
    [{ templateID: 'base', envVars: { '': 'x' } }, /envVars/],
    [{ templateID: 'base', envVars: { 'A=B': 'x' } }, /envVars/],
    [{ templateID: 'base', secure: 'yes' }, /secure must be boolean/],
    [{ templateID: 'base', cpuCount: 0 }, /cpuCount/],
    [{ templateID: 'base', cpuCount: 1000 }, /cpuCount must be at most/],
    [{ templateID: 'base', memoryMB: 10_000_000 }, /memoryMB must be at most/],
    [{ templateID: 'base', diskSizeMB: 10_000_000 }, /diskSizeMB must be at most/],
    [{ templateID: 'base', network: 'open' }, /^validation error: network must be boolean or must be object/],
    [
      { templateID: 'base', network: { ports: [{ port: 70_000, protocol: 'tcp', access: 'deny' }] } },
      /network\.ports\.0\.port/,
    ],
    [
      { templateID: 'base', network: { ports: [{ port: 70, protocol: 'x', access: 'deny' }] } },
      /network\.ports\.0\.protocol must be one of "tcp", "udp"/,
    ],
    [{ templateID: 'base', autoPauseMemory: false }, /autoPauseMemory/],
    [[], /the body must be object/],
    ['"text"', /the body must be object/],
    ['7', /the body must be object/],
  ];
  for (const [body, message] of cases) {
    const { status, json } = await atoll.ask('POST /v2/sandboxes', body);
    assert.equal(status, 400, JSON.stringify(body));
    assert.match(json.message, message);
    assert.match(json.message, /^validation error/);
  }
  assert.equal(atoll.node.running.size, 0);
});

test('text with NUL characters is refused, and an escaped backslash before u0000 is not mistaken for one', async () => {
  const nul = await atoll.ask('POST /v2/sandboxes', '{"templateID":"base","metadata":{"a":"x\\u0000"}}');
  assert.equal(nul.status, 400);
  assert.match(nul.json.message, /NUL/);
  const fine = await atoll.ask('POST /v2/sandboxes', '{"templateID":"base","metadata":{"a":"x\\\\u0000"}}');
  assert.equal(fine.status, 201);
});

test('what is still to come is answered with its name and 501, and nothing is made', async () => {
  const running = atoll.node.running.size;
  for (const [fields, name] of [
    [{ autoPause: true }, /^autoPause /],
    [{ autoResume: { enabled: true } }, /^autoResume /],
    [{ iam: { tokens: { a: { audience: 'x' } } } }, /^iam /],
    [{ volumeMounts: [{ name: 'v', path: '/v' }] }, /^volumeMounts /],
    [{ volumes: [{ volumeId: 'v', mountPath: '/v' }] }, /^volumes /],
    [{ network: { egressProxy: { address: 'a:1' } } }, /^network\.egressProxy /],
    [{ network: { allowOut: ['a.example'], denyOut: ['0.0.0.0/0'] } }, /^network\.allowOut /],
  ] as const) {
    const { status, json } = await atoll.ask('POST /v2/sandboxes', { templateID: 'base', ...fields });
    assert.equal(status, 501);
    assert.equal(json.error_code, 'not_implemented');
    assert.match(json.message, name);
  }
  assert.equal(atoll.node.running.size, running);
});

test('operations still to come are answered 501, those that are gone 410, both in JSON', async () => {
  const id = await atoll.create();
  for (const line of [
    `POST /sandboxes/${id}/pause`,
    `POST /sandboxes/${id}/snapshots`,
    `POST /sandboxes/${id}/fork`,
    'GET /snapshots',
    'POST /v3/templates',
    'POST /templates/tags',
    'DELETE /templates/tags',
    'DELETE /templates/team%2Fname%3Atag',
    'DELETE /templates/team/name:tag',
    'GET /templates/base/tags',
    'GET /volumes',
    'GET /secrets',
    'GET /events/webhooks',
  ]) {
    const { status, json } = await atoll.ask(line);
    assert.equal(status, 501, line);
    assert.match(json.message, /not implemented/);
  }
  for (const line of [
    'POST /templates',
    'POST /templates/abc',
    'POST /templates/abc/builds/def',
    'POST /v2/templates',
  ]) {
    const { status, json } = await atoll.ask(line, {});
    assert.equal(status, 410, line);
    assert.match(json.message, /POST \/v3\/templates/);
  }
});

test('an empty body is taken where every field is optional, in each way that clients send one', async () => {
  const id = await atoll.create();
  const url = `${atoll.control.url}/v2/sandboxes/${id}/connect`;
  const key = { 'X-API-Key': atoll.control.seed.apiKey };
  for (const [headers, body] of [
    [{}, undefined],
    [{ 'Content-Type': 'application/json' }, undefined],
    [{ 'Content-Type': 'application/json' }, ''],
    [{ 'Content-Type': 'application/json' }, ' \n'],
    [{ 'Content-Type': 'application/json' }, 'null'],
    [{ 'Content-Type': 'application/json' }, '{}'],
  ] as const) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...key, ...headers },
      ...(body !== undefined && { body }),
    });
    assert.equal(response.status, 200, JSON.stringify([headers, body]));
    await response.body?.cancel();
  }
});

test('unknown routes, methods and broken paths are answered in JSON', async () => {
  for (const line of [
    'GET /',
    'GET /nothing/here',
    'PUT /sandboxes',
    'GET /v1/nothing',
    'GET /sandboxes/../../etc/passwd',
  ]) {
    assert.equal((await atoll.ask(line)).status, 404, line);
  }
  assert.equal((await atoll.ask('GET /sandboxes/%E0%A4%A')).status, 400);
  assert.equal((await atoll.ask(`GET /sandboxes/${'a'.repeat(5000)}`)).status >= 400, true);
});

test('the prefix /v1 may stand before every path', async () => {
  const id = await atoll.create();
  assert.equal((await atoll.ask(`GET /v1/sandboxes/${id}`)).status, 200);
  assert.equal((await atoll.ask('GET /v1/v2/sandboxes')).status, 200);
});
