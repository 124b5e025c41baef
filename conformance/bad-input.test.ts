import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type OwnedAtoll, startAtoll } from './atoll.ts';
import { type Answer, addTeam, PlainApi, type Sandbox, sendRaw } from './plain-http.ts';
import { ROUTES } from './routes.ts';

const MAX_SANDBOXES = 6;
/** More than the burst of creates that a team may send. */
const STORM = 800;
/** Larger than every buffer on the way. */
const LARGE_UPLOAD_BYTES = 24 * 1024 * 1024;
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const UNKNOWN = 'i0000000000000000000';

let atoll: OwnedAtoll;
let api: PlainApi;
let shared: Sandbox;

before(async () => {
  atoll = await startAtoll({ address: '127.0.0.79', settings: { 'max-sandboxes': String(MAX_SANDBOXES) } });
  api = new PlainApi(atoll);
  shared = await api.create({ timeout: 900 });
});

after(async () => {
  await atoll?.remove();
});

/** Every error has the status, the same code in a JSON body, a message, and says whether a repeat can help. */
function assertError(answer: Answer, ...statuses: readonly number[]): void {
  assert.ok(
    statuses.includes(answer.status),
    `status ${answer.status}, want ${statuses.join(' or ')}: ${answer.text.slice(0, 300)}`,
  );
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  assert.equal(answer.body?.code, answer.status);
  assert.ok(typeof answer.body.message === 'string' && answer.body.message.length > 0);
  assert.match(answer.headers.get('should-retry') ?? '', /^(true|false)$/);
}

describe('the control API', () => {
  test('malformed JSON is refused with 400', async () => {
    for (const body of ['{', '{"templateID": "base",}', '\u0000', 'templateID=base', '[]', '"base"', 'null'])
      assertError(await api.call('POST', '/v2/sandboxes', body), 400);
    assertError(await api.call('POST', `/sandboxes/${shared.sandboxID}/timeout`, '{'), 400);
  });

  test('values of the wrong type or out of range are refused with 400', async () => {
    const wrong: object[] = [
      {},
      { templateID: 5 },
      { templateID: 'base', timeout: 'soon' },
      { templateID: 'base', timeout: 0 },
      { templateID: 'base', timeout: -1 },
      { templateID: 'base', timeout: 1.5 },
      { templateID: 'base', timeout: 10_000_000 },
      { templateID: 'base', metadata: ['a'] },
      { templateID: 'base', metadata: { a: 1 } },
      { templateID: 'base', envVars: { A: { nested: true } } },
      { templateID: 'base', network: { denyOut: ['example.com'] } },
      { templateID: 'base', network: { denyOut: ['0.0.0.0/33'] } },
      { templateID: 'base', network: { allowOut: 'everything' } },
      { templateID: 'base', network: { httpsPorts: [49983] } },
    ];
    for (const body of wrong) {
      const answer = await api.call('POST', '/v2/sandboxes', body);
      assertError(answer, 400);
    }
    for (const timeout of ['1', -5, null, undefined])
      assertError(await api.call('POST', `/sandboxes/${shared.sandboxID}/timeout`, { timeout }), 400);
    for (const query of ['limit=0', 'limit=1000', 'limit=x', 'nextToken=%00', 'state=dead'])
      assertError(await api.call('GET', `/v2/sandboxes?${query}`), 400);
  });

  test('unknown fields are ignored and null counts as left out', async () => {
    const sandbox = await api.create({ colour: 'blue', metadata: null, network: null });
    await api.kill(sandbox);
  });

  test('an unknown or malformed template reference is named', async () => {
    for (const templateID of ['no-such-template', 'base:no-such-tag', 'strangers/none'])
      assertError(await api.call('POST', '/v2/sandboxes', { templateID }), 404, 403);
    for (const templateID of ['', '../base', 'a b', 'base:', 'x'.repeat(5_000)])
      assertError(await api.call('POST', '/v2/sandboxes', { templateID }), 400, 404);
  });

  test('ids that are no ids are refused, unknown ones are not found', async () => {
    assertError(await api.call('GET', `/sandboxes/${UNKNOWN}`), 404);
    for (const id of ['..%2f..%2fetc', 'UPPER', 'a-b-c', '%00', 'x'.repeat(300)])
      assertError(await api.call('GET', `/sandboxes/${id}`), 400, 404);
    assertError(await api.call('DELETE', `/sandboxes/${UNKNOWN}`), 404);
    assertError(await api.call('POST', `/sandboxes/${UNKNOWN}/timeout`, { timeout: 5 }), 404);
    assertError(await api.call('GET', '/no/such/route'), 404);
  });

  test('missing, empty, malformed and wrong keys are refused with 401', async () => {
    const keys = ['', 'x', `e2b_${'0'.repeat(40)}`, `${atoll.apiKey}0`, "' OR 1=1 --"];
    for (const key of keys) assertError(await api.call('GET', '/v2/sandboxes', undefined, { 'X-API-Key': key }), 401);
    assertError(await api.call('GET', '/teams'), 401);
    assertError(await api.call('GET', '/nodes', undefined, { 'X-Admin-Token': 'guess' }), 401);
    const bearer = { 'X-API-Key': '', Authorization: `Bearer sk_e2b_${'0'.repeat(40)}` };
    assertError(await api.call('GET', '/teams', undefined, bearer), 401);
  });

  test('a deleted key is refused at once', async () => {
    const user = { 'X-API-Key': '', Authorization: `Bearer ${atoll.accessToken}` };
    const teams = await api.call('GET', '/teams', undefined, user);
    assert.equal(teams.status, 200, teams.text);
    const headers = { ...user, 'X-Team-ID': teams.body[0].teamID };
    const made = await api.call('POST', '/api-keys', { name: 'short-lived' }, headers);
    assert.equal(made.status, 201, made.text);
    const mine = { 'X-API-Key': made.body.key };
    assert.equal((await api.call('GET', '/v2/sandboxes', undefined, mine)).status, 200);
    assert.equal((await api.call('DELETE', `/api-keys/${made.body.id}`, undefined, headers)).status, 204);
    assertError(await api.call('GET', '/v2/sandboxes', undefined, mine), 401);
  });

  test('a foreign team sees nothing of a sandbox and can do nothing with it', async () => {
    const stranger = { 'X-API-Key': await addTeam(atoll) };
    const path = `/sandboxes/${shared.sandboxID}`;
    assertError(await api.call('GET', path, undefined, stranger), 404);
    assertError(await api.call('DELETE', path, undefined, stranger), 404);
    assertError(await api.call('POST', `${path}/timeout`, { timeout: 1 }, stranger), 404);
    assertError(await api.call('POST', `/v2${path}/connect`, {}, stranger), 404);
    assertError(await api.call('PUT', `${path}/network`, {}, stranger), 404);
    assertError(await api.call('GET', `${path}/metrics`, undefined, stranger), 404);
    assertError(await api.call('GET', `${path}/logs`, undefined, stranger), 404);
    assert.deepEqual((await api.call('GET', '/v2/sandboxes', undefined, stranger)).body, []);
    assert.equal((await api.call('GET', path)).status, 200, 'it still runs for its owner');
  });

  test('a body larger than 16 MiB is refused and the connection stays usable', async () => {
    const answer = await api.call(
      'POST',
      '/v2/sandboxes',
      `{"templateID":"base","pad":"${'x'.repeat(MAX_BODY_BYTES)}"}`,
    );
    assertError(answer, 400, 413);
    assert.equal((await api.call('GET', '/health')).status, 200);
  });

  test('1,000 headers are answered, not crashed on', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `X-Pad-${i}: ${i}`).join('\r\n');
    for (const url of [atoll.apiUrl, atoll.sandboxUrl]) {
      const answer = await sendRaw(
        url,
        `GET /health HTTP/1.1\r\nHost: localhost\r\n${many}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 (2\d\d|4\d\d) /, `${url}: ${answer.slice(0, 100)}`);
    }
    assert.equal((await api.call('GET', '/health')).status, 200);
  });

  test('two kills at once end the sandbox once', async () => {
    const sandbox = await api.create();
    const kill = (): Promise<Answer> => api.call('DELETE', `/sandboxes/${sandbox.sandboxID}`);
    const statuses = (await Promise.all([kill(), kill(), kill()])).map((answer) => answer.status).sort();
    assert.equal(statuses[0], 204, statuses.join());
    assert.ok(
      statuses.every((status) => status === 204 || status === 404),
      statuses.join(),
    );
    assertError(await kill(), 404);
  });

  test('a create storm beyond the limit gives what is allowed, and 429 for the rest', async () => {
    const answers = await Promise.all(
      Array.from({ length: MAX_SANDBOXES * 3 }, () =>
        api.call('POST', '/v2/sandboxes', { templateID: 'base', timeout: 120 }),
      ),
    );
    const made = answers.filter((answer) => answer.status === 201);
    const refused = answers.filter((answer) => answer.status !== 201);
    await Promise.all(made.map((answer) => api.kill(answer.body)));
    assert.equal(made.length, MAX_SANDBOXES - 1, 'one of the team’s sandboxes ran before');
    for (const answer of refused) {
      assertError(answer, 429);
      assert.equal(answer.headers.get('should-retry'), 'false', 'only a kill helps, not a repeat');
    }
    await api.kill(await api.create());
  });

  test('a create storm beyond the rate is told with Retry-After when to go on', async () => {
    const stranger = { 'X-API-Key': await addTeam(atoll) };
    const storm = Array.from({ length: STORM }, () =>
      api.call('POST', '/v2/sandboxes', { templateID: 'no-such-template' }, stranger),
    );
    const refused = (await Promise.all(storm)).filter((answer) => answer.status === 429);
    assert.ok(refused.length > 0, `${STORM} creates at once are too many`);
    for (const answer of refused) {
      assertError(answer, 429);
      assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
      assert.equal(answer.headers.get('should-retry'), 'true');
    }
    assert.equal((await api.call('GET', '/v2/sandboxes')).status, 200, 'other teams go on');
  });

  test('an Idempotency-Key gives the same sandbox once, and refuses another body', async () => {
    const key = { 'Idempotency-Key': randomUUID() };
    const body = { templateID: 'base', timeout: 60 };
    const both = await Promise.all([1, 2].map(() => api.call('POST', '/v2/sandboxes', body, key)));
    assert.deepEqual(
      both.map((answer) => answer.status),
      [201, 201],
      both.map((answer) => answer.text).join(),
    );
    assert.equal(both[0]?.body.sandboxID, both[1]?.body.sandboxID);
    assertError(await api.call('POST', '/v2/sandboxes', { ...body, timeout: 61 }, key), 422);
    await api.kill(both[0]?.body);
  });

  test('what later work brings is refused as not_implemented', async () => {
    for (const route of ROUTES.filter(({ status }) => status === 'not_implemented')) {
      const path = route.path.replace('{sandboxID}', shared.sandboxID);
      const answer = await api.call(route.method, path, route.method === 'GET' ? undefined : {});
      assert.equal(answer.status, 501, `${route.method} ${path}: ${answer.text}`);
      assert.equal(answer.body.error_code, 'not_implemented');
    }
    const refused = [{ autoPause: true }, { volumeMounts: [{ name: 'v', path: '/v' }] }];
    for (const extra of refused) {
      const answer = await api.call('POST', '/v2/sandboxes', { templateID: 'base', ...extra });
      assert.equal(answer.status, 501, `${JSON.stringify(extra)}: ${answer.text}`);
    }
  });
});

describe('the edge', () => {
  const raw = (host: string, extra = ''): Promise<string> =>
    sendRaw(atoll.sandboxUrl, `GET / HTTP/1.1\r\nHost: ${host}\r\n${extra}Connection: close\r\n\r\n`);

  test('invalid host names are refused with 400', async () => {
    const id = shared.sandboxID;
    const hosts = ['nodots', `99999-${id}.atoll.test`, `x-${id}.atoll.test`, `-${id}.atoll.test`, '80-.atoll.test'];
    for (const host of hosts) assert.match(await raw(host), /^HTTP\/1\.1 400 /, host);
  });

  test('one routing header without the other is refused with 400', async () => {
    assert.match(
      await raw('localhost', `E2b-Sandbox-Id: ${shared.sandboxID}\r\n`),
      /^HTTP\/1\.1 400 [\s\S]*missing header/i,
    );
    assert.match(await raw('localhost', 'E2b-Sandbox-Port: 80\r\n'), /^HTTP\/1\.1 400 [\s\S]*missing header/i);
    const unknown = await raw('localhost', `E2b-Sandbox-Id: ${UNKNOWN}\r\nE2b-Sandbox-Port: 80\r\n`);
    assert.match(unknown, /^HTTP\/1\.1 502 [\s\S]*was not found/);
  });

  test('internal routes of envd are answered 404', async () => {
    for (const path of [
      '/init',
      '/freeze',
      '/unfreeze',
      '/collapse',
      '/fsfreeze',
      '/fsthaw',
      '/upgrade',
      '/logs',
      '//init',
      '/%69nit',
      '/x/../init',
    ]) {
      const answer = await sendRaw(
        atoll.sandboxUrl,
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: ${shared.sandboxID}\r\nE2b-Sandbox-Port: 49983\r\n` +
          `X-Access-Token: ${shared.envdAccessToken}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      );
      assert.match(answer, /^HTTP\/1\.1 40[04] /, `${path}: ${answer.slice(0, 200)}`);
    }
  });

  test('a sandbox that answers before it has read the request does not make the connection hang', async () => {
    const server = "require('http').createServer((q, r) => r.end('early')).listen(8089)";
    const running = api.run(shared, `timeout 60 node -e "${server}"; true`).catch(() => undefined);
    const routing = `Host: localhost\r\nE2b-Sandbox-Id: ${shared.sandboxID}\r\nE2b-Sandbox-Port: 8089\r\n`;
    const get = `GET / HTTP/1.1\r\n${routing}Connection: close\r\n\r\n`;
    for (let attempt = 0; !(await sendRaw(atoll.sandboxUrl, get)).includes('early'); attempt += 1)
      assert.ok(attempt < 30, 'the server in the sandbox answers');
    for (let round = 0; round < 5; round += 1) {
      const body = 'x'.repeat(LARGE_UPLOAD_BYTES);
      const post = `POST / HTTP/1.1\r\n${routing}Content-Length: ${body.length}\r\n\r\n${body}`;
      // Two answers on one connection, or one and a close; silence is what must not be (sendRaw ends it as an error).
      assert.match(await sendRaw(atoll.sandboxUrl, post + get), /early/);
    }
    await api.run(shared, 'pkill -f 8089');
    await running;
  });

  test('requests that two parsers could read differently are refused', async () => {
    const start = `POST / HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: ${shared.sandboxID}\r\nE2b-Sandbox-Port: 8080\r\n`;
    const both = `${start}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    assert.match(await sendRaw(atoll.sandboxUrl, both), /^HTTP\/1\.1 400 /);
    const twice = `${start}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`;
    assert.match(await sendRaw(atoll.sandboxUrl, twice), /^HTTP\/1\.1 400 /);
  });
});

describe('envd', () => {
  const download = (path: string, init: RequestInit = {}): Promise<Answer> =>
    api.port(shared, `/files?path=${path}`, { signal: AbortSignal.timeout(8_000), ...init });

  test('paths with NUL, other users’ homes and directories are refused', async () => {
    for (const path of ['%2Fetc%2Fpasswd%00.txt', '~root%2Fx', '%2Fetc'])
      assert.equal((await download(path)).status, 400, path);
    const upload = await api.port(shared, '/files?path=%2Ftmp%2Fa%00b', {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: 'x',
    });
    assert.equal(upload.status, 400, upload.text);
    assert.equal((await api.unary(shared, 'filesystem.Filesystem/Stat', { path: '/etc/pass\u0000wd' })).status, 400);
  });

  test('`..` and links lead nowhere but into the guest', async () => {
    await api.run(shared, 'ln -sfn /proc/1/root/etc/hostname /tmp/link; ln -sfn /proc/self/root /tmp/rootlink');
    const own = (await api.run(shared, 'cat /etc/hostname')).stdout;
    for (const path of ['/../../../etc/hostname', '/tmp/link', '/tmp/rootlink/etc/hostname']) {
      const answer = await download(encodeURIComponent(path));
      if (answer.status === 200) assert.equal(answer.text, own, path);
      else assert.ok(answer.status >= 400 && answer.status < 501, `${path}: ${answer.status}`);
    }
  });

  test('FIFOs and devices are refused instead of hanging', async () => {
    await api.run(shared, 'mkfifo /tmp/fifo; chmod 666 /tmp/fifo', 'root');
    for (const path of ['/tmp/fifo', '/dev/zero', '/dev/random', '/dev/tty', '/proc/kmsg']) {
      const answer = await download(encodeURIComponent(path));
      assert.ok(answer.status >= 400 && answer.status <= 500, `GET ${path}: ${answer.status}`);
    }
    for (const path of ['/tmp/fifo', '/dev/zero']) {
      const answer = await api.upload(shared, path, 'x');
      assert.ok(answer.status >= 400 && answer.status <= 500, `POST ${path}: ${answer.status} ${answer.text}`);
    }
    assert.equal((await api.run(shared, 'test -c /dev/zero && test -p /tmp/fifo && echo same')).stdout, 'same\n');
  });

  test('malformed messages are Connect errors', async () => {
    for (const message of [{ process: 5 }, { process: { cmd: ['x'] } }, []]) {
      const answer = await api.unary(shared, 'process.Process/SendSignal', message);
      assert.ok(answer.status === 400 || answer.status === 501, `${JSON.stringify(message)}: ${answer.status}`);
      assert.equal(typeof answer.body?.code, 'string', answer.text);
    }
    const unknown = await api.unary(shared, 'process.Process/NoSuchMethod', {});
    assert.ok([404, 501].includes(unknown.status), String(unknown.status));
    const signal = await api.unary(shared, 'process.Process/SendSignal', { process: { pid: 1 }, signal: 2 });
    assert.ok(signal.status >= 400, signal.text);
  });

  test('a wrong or foreign token is refused with 401', async () => {
    const other = await api.create();
    for (const token of ['x', other.envdAccessToken, `${shared.envdAccessToken}0`]) {
      const impostor = { ...shared, envdAccessToken: token };
      assert.equal((await api.unary(impostor, 'process.Process/List', {})).status, 401);
      assert.equal((await api.port(impostor, '/files?path=%2Fetc%2Fpasswd')).status, 401);
    }
    await api.kill(other);
  });

  test('a signature opens one path for one operation and one user until it expires', async () => {
    await api.upload(shared, '/home/user/signed.txt', 'signed');
    const sign = (path: string, operation: string, user: string, expires?: number): string => {
      const parts = [path, operation, user, shared.envdAccessToken, ...(expires === undefined ? [] : [expires])];
      const hash = createHash('sha256').update(parts.join(':')).digest('base64').replace(/=+$/, '');
      return `v1_${hash}`;
    };
    const get = async (query: Record<string, string>): Promise<number> => {
      const headers = { 'E2b-Sandbox-Id': shared.sandboxID, 'E2b-Sandbox-Port': '49983' };
      const response = await fetch(`${atoll.sandboxUrl}/files?${new URLSearchParams(query)}`, { headers });
      await response.arrayBuffer();
      return response.status;
    };
    const path = '/home/user/signed.txt';
    const signature = sign(path, 'read', '');
    assert.equal(await get({ path, signature }), 200);
    assert.equal(await get({ path: '/etc/passwd', signature }), 401, 'another path');
    assert.equal(await get({ path, signature, username: 'root' }), 401, 'another user');
    assert.equal(await get({ path, signature: sign(path, 'write', '') }), 401, 'another operation');
    const past = Math.floor(Date.now() / 1_000) - 5;
    assert.equal(await get({ path, signature: sign(path, 'read', '', past), signature_expiration: String(past) }), 401);
    assert.equal(await get({ path, signature, signature_expiration: String(past + 3_600) }), 401, 'a moved expiry');
    assert.equal(await get({ path }), 401, 'no signature');
  });

  test('an upload of the wrong kind is refused', async () => {
    const send = (headers: Record<string, string>, body: string): Promise<Answer> =>
      api.port(shared, '/files?path=%2Ftmp%2Fx', { method: 'POST', headers, body });
    assert.equal((await send({ 'Content-Type': 'text/plain' }, 'x')).status, 400);
    assert.equal((await send({ 'Content-Type': 'multipart/form-data; boundary=b' }, 'no parts at all')).status, 400);
    const gzip = { 'Content-Type': 'application/octet-stream', 'Content-Encoding': 'gzip' };
    assert.ok([400, 500].includes((await send(gzip, 'not gzip')).status));
    assert.equal((await send({ ...gzip, 'Content-Encoding': 'br' }, 'x')).status, 400);
  });
});
