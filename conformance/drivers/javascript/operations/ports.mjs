import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { atLeast, eventually } from '../context.mjs';

const SERVER = new URL('../../guest-server.mjs', import.meta.url);
const started = new WeakMap();

/** Starts the guest's server once for each sandbox and port. */
async function serve(t, port, address) {
  const sandbox = await t.sandbox();
  const servers = started.get(sandbox) ?? new Set();
  started.set(sandbox, servers);
  if (!servers.has(port)) await startServer(sandbox, `${port} ${address}`);
  servers.add(port);
  return sandbox;
}

async function startServer(sandbox, args) {
  await sandbox.files.write('/home/user/guest-server.mjs', await readFile(SERVER, 'utf8'));
  const handle = await sandbox.commands.run(`node /home/user/guest-server.mjs ${args}`, {
    background: true,
    timeoutMs: 0,
  });
  await eventually('the guest server', () => handle.stdout.includes('listening'));
}

/** The content type of an answer. Not by `fetch`, which sends a Sec-Fetch-Mode of its own. */
function contentType(url, headers) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const get = url.startsWith('https:') ? https.get : http.get;
  get(url, { headers }, (answer) => {
    answer.resume();
    resolve(answer.headers['content-type'] ?? '');
  }).on('error', reject);
  return promise;
}

export const operations = {
  async 'port-open'(t) {
    const sandbox = await serve(t, 8080, '0.0.0.0');
    const { url, headers } = t.reach(sandbox, 8080, '/path?q=1');
    const answer = await fetch(url, { headers });
    assert.equal(answer.status, 200);
    const seen = await answer.json();
    assert.equal(seen.hello, 'guest');
    assert.equal(seen.url, '/path?q=1');
    const body = Buffer.alloc(5_000_000, 7);
    const posted = await fetch(url, { method: 'POST', headers, body });
    assert.deepEqual(await posted.json(), { bytes: body.length });
  },

  async 'port-loopback'(t) {
    const sandbox = await serve(t, 8081, '127.0.0.1');
    const { url, headers } = t.reach(sandbox, 8081);
    const answer = await eventually('the relay', async () => {
      const response = await fetch(url, { headers });
      return response.status === 200 && response;
    });
    assert.equal((await answer.json()).hello, 'guest');
  },

  async 'port-closed'(t) {
    const sandbox = await t.sandbox();
    const { url, headers } = t.reach(sandbox, 9999);
    const answer = await fetch(url, { headers });
    assert.equal(answer.status, 502);
    const body = await answer.json();
    assert.match(body.message, /port is not open/);
    assert.equal(body.port, 9999);
    assert.equal(body.sandboxId, sandbox.sandboxId);
    const gone = await t.fresh();
    await gone.kill();
    const dead = t.reach(gone, 9999);
    const missing = await fetch(dead.url, { headers: dead.headers });
    assert.equal(missing.status, 502);
    assert.match((await missing.json()).message, /was not found/);
    const browser = { 'user-agent': 'Mozilla/5.0', 'sec-fetch-mode': 'navigate', accept: 'text/html' };
    assert.match(await contentType(url, { ...headers, ...browser }), /text\/html/);
  },

  async websocket(t) {
    const sandbox = await serve(t, 8080, '0.0.0.0');
    const { url, headers } = t.reach(sandbox, 8080, '/socket');
    const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers });
    const echoed = await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send('over the socket');
      socket.onmessage = (event) => resolve(event.data);
      socket.onerror = (event) => reject(event.error ?? new Error(event.message ?? 'the socket failed'));
    });
    socket.close();
    assert.equal(echoed, 'over the socket');
  },

  async sse(t) {
    const sandbox = await serve(t, 8080, '0.0.0.0');
    const { url, headers } = t.reach(sandbox, 8080, '/events');
    const answer = await fetch(url, { headers });
    const times = [];
    let text = '';
    for await (const chunk of answer.body) {
      times.push(Date.now());
      text += Buffer.from(chunk).toString();
    }
    assert.equal(text, 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
    assert.ok(times.length >= 3 && times[times.length - 1] - times[0] > 400, 'the events came one by one');
  },

  async 'mask-host'(t) {
    const sandbox = await t.fresh({ network: { maskRequestHost: `inside.example:\${PORT}` } });
    await startServer(sandbox, '8080');
    const { url, headers } = t.reach(sandbox, 8080);
    const seen = await (await fetch(url, { headers })).json();
    assert.equal(seen.headers.host, 'inside.example:8080');
    assert.equal(seen.headers['x-forwarded-host'], new URL(url).host);
    await sandbox.kill();
  },

  async 'https-port'(t) {
    if (!atLeast(t.version, '2.49.0')) t.notApplicable('this version has no httpsPorts option');
    const sandbox = await t.fresh({ network: { httpsPorts: [8443] } });
    await sandbox.commands.run(
      'cd /tmp && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=guest -keyout key.pem -out cert.pem',
    );
    await startServer(sandbox, '8443 0.0.0.0 /tmp/key.pem /tmp/cert.pem');
    const { url, headers } = t.reach(sandbox, 8443);
    assert.equal((await (await fetch(url, { headers })).json()).hello, 'guest');
    await sandbox.kill();
  },
};
