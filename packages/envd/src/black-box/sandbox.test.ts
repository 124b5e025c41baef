import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Process } from '@atoll/contract/envd';
import { envelope, stream } from './connect-client.ts';
import { eventually } from './eventually.ts';
import { type Guest, startGuest } from './guest.ts';

describe('a sandbox', () => {
  let guest: Guest;
  before(async () => {
    guest = await startGuest();
  });
  after(() => guest.close());

  const init = (body: unknown, headers: Record<string, string> = {}) =>
    guest.http('/init', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  async function sh(script: string, headers: Record<string, string> = {}): Promise<string> {
    let text = '';
    const message = { process: { cmd: '/bin/bash', args: ['-c', script] }, stdin: false };
    for await (const { event } of stream(guest, Process.method.start, message, { headers })) {
      if (event?.event.case !== 'data') continue;
      text += Buffer.from(event.event.value.output.value ?? []).toString('utf8');
    }
    return text;
  }

  test('calls of a wrong content type are refused with 415, of a wrong method with 405', async () => {
    const ask = (path: string, type: string) =>
      guest.http(path, { method: 'POST', headers: { 'content-type': type }, body: envelope(0, Buffer.from('{}')) });
    assert.equal((await ask('/process.Process/List', 'application/connect+json')).status, 415);
    assert.equal((await ask('/process.Process/Start', 'application/json')).status, 415);
    assert.equal((await ask('/process.Process/List', 'text/plain')).status, 415);
    assert.equal((await guest.http('/process.Process/List')).status, 405);
    assert.equal((await guest.http('/process.Process/Nothing', { method: 'POST' })).status, 404);
  });

  test('malformed messages and timeouts are invalid arguments', async () => {
    const post = (body: string, headers: Record<string, string> = {}) =>
      guest.http('/filesystem.Filesystem/Stat', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
    for (const body of ['{', '[]', '{"path": 5}']) {
      const answer = await post(body);
      assert.equal(answer.status, 400, body);
      assert.equal(answer.json<{ code: string }>().code, 'invalid_argument');
    }
    assert.equal((await post('{"path":"/","unknown":1}')).status, 200);
    assert.equal((await post('{"path":"/"}', { 'connect-timeout-ms': 'soon' })).status, 400);
    assert.equal((await post('{"path":"/a\\u0000b"}')).status, 400);
  });

  test('/init gives it its identity, variables, user and directory', async () => {
    const answer = await init({
      envVars: { SHARED: 'one', E2B_SANDBOX_ID: 'forged' },
      defaultUser: 'user',
      defaultWorkdir: '/tmp',
      sandboxId: 'isandbox1',
      templateId: 'template1',
      hostname: 'new-name',
      lifecycleID: 'life',
      randomSeed: Buffer.from('seed').toString('base64'),
      timestamp: new Date().toISOString(),
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers['x-envd-version'], '0.6.13');
    const text = await sh(
      'id -un; pwd; hostname; echo $SHARED $E2B_SANDBOX_ID $E2B_TEMPLATE_ID; cat /run/e2b/.E2B_SANDBOX_ID; getent hosts new-name; cat /etc/hostname',
    );
    assert.match(text, /^user\n\/tmp\nnew-name\none isandbox1 template1\nisandbox1/);
    assert.match(text, /127\.0\.1\.1\s+new-name/);
    const envs = (await guest.http('/envs')).json<Record<string, string>>();
    assert.equal(envs.SHARED, 'one');
  });

  test('an older /init changes nothing', async () => {
    assert.equal((await init({ envVars: { SHARED: 'old' }, timestamp: '2020-01-01T00:00:00Z' })).status, 204);
    assert.equal(await sh('echo $SHARED'), 'one\n');
  });

  test('bad bodies of /init are refused', async () => {
    assert.equal((await guest.http('/init', { method: 'POST', body: '{' })).status, 400);
    assert.equal((await init({ envVars: { A: 1 } })).status, 400);
    assert.equal((await init({ hostname: 'a b\nc' })).status, 400);
    assert.equal((await init({ volumeMounts: [{ nfs_target: 'x', path: '/y' }] })).status, 501);
  });

  test('metrics tell of the processor, memory and disk', async () => {
    const metrics = (await guest.http('/metrics')).json<Record<string, number>>();
    assert.ok((metrics.cpu_count ?? 0) >= 1);
    assert.ok((metrics.mem_total ?? 0) > (metrics.mem_used ?? 0));
    assert.ok((metrics.disk_total ?? 0) > 0);
    assert.ok(Math.abs((metrics.ts ?? 0) - Date.now() / 1000) < 5);
  });

  test('the log is read from where the reader left off', async () => {
    await sh('true');
    interface Page {
      entries: { message: string; fields: Record<string, string> }[];
      next: number;
    }
    const first = (await guest.http('/logs')).json<Page>();
    assert.ok(first.entries.some((entry) => entry.fields.event_type === 'process_start'));
    await sh('echo again');
    const second = (await guest.http(`/logs?cursor=${first.next}`)).json<Page>();
    assert.equal(second.entries.length, 2);
  });

  test('a port that listens on the loopback address only is reachable from outside', async () => {
    const server =
      "import socketserver as s\nclass H(s.BaseRequestHandler):\n  def handle(self): self.request.sendall(self.request.recv(9)[::-1])\ns.TCPServer(('127.0.0.1',8765),H).serve_forever()";
    const events = stream(guest, Process.method.start, {
      process: { cmd: 'python3', args: ['-c', server] },
      tag: 'server',
    });
    await events.next();
    await eventually(async () => assert.equal(await exchange(guest.address, 8765, 'abc'), 'cba'));
    await events.return(undefined);
  });

  test('with a token, only its owner and bearers of a signature get in', async () => {
    assert.equal((await init({ accessToken: 'secret' })).status, 204);
    const list = (headers: Record<string, string>) =>
      guest.http('/process.Process/List', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{}',
      });
    const refused = await list({});
    assert.equal(refused.status, 401);
    assert.equal(refused.json<{ code: number }>().code, 401);
    assert.equal((await list({ 'x-access-token': 'wrong' })).status, 401);
    assert.equal((await list({ 'x-access-token': 'secret' })).status, 200);
    assert.equal((await guest.http('/health')).status, 204);
    assert.equal((await guest.http('/metrics')).status, 401);
    assert.equal((await init({ accessToken: 'other' })).status, 401);
    assert.equal((await init({})).status, 401);

    const sign = (path: string, operation: string, username: string, expiration?: number) => {
      const raw = [path, operation, username, 'secret', ...(expiration === undefined ? [] : [expiration])].join(':');
      return `v1_${createHash('sha256').update(raw).digest('base64').replace(/=+$/, '')}`;
    };
    const read = (parameters: Record<string, string>, headers: Record<string, string> = {}) =>
      guest.http(`/files?${new URLSearchParams(parameters)}`, { headers }).then((answer) => answer.status);
    const path = '/etc/passwd';
    const now = Math.floor(Date.now() / 1000);
    assert.equal(await read({ path }), 401);
    assert.equal(await read({ path, signature: sign(path, 'read', '') }), 200);
    assert.equal(await read({ path, signature: sign(path, 'read', '') }, { 'x-access-token': 'wrong' }), 401);
    assert.equal(await read({ path: '/etc/group', signature: sign(path, 'read', '') }), 401);
    assert.equal(await read({ path, signature: sign(path, 'write', '') }), 401);
    assert.equal(await read({ path, username: 'user', signature: sign(path, 'read', '') }), 401);
    const soon = { path, signature_expiration: String(now + 60) };
    assert.equal(await read({ ...soon, signature: sign(path, 'read', '', now + 60) }), 200);
    const past = { path, signature_expiration: String(now - 60) };
    assert.equal(await read({ ...past, signature: sign(path, 'read', '', now - 60) }), 401);

    assert.equal((await init({}, { 'x-access-token': 'secret' })).status, 204);
    assert.equal((await list({})).status, 200);
  });
});

function exchange(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(text));
    socket.on('error', reject);
    socket.on('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.on('close', () => resolve(''));
  });
}
