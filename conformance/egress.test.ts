import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { type OwnedAtoll, startAtoll } from './atoll.ts';
import { findOutside, type Outside } from './outside.ts';
import { PlainApi, type Sandbox } from './plain-http.ts';

const METADATA = '169.254.169.254';

let atoll: OwnedAtoll;
let api: PlainApi;
let sandbox: Sandbox;
let neighbour: Sandbox;
/** Listens on every address of the host: what a guest must not reach. */
let target: Server;
let targetPort: number;
let outside: Outside;

before(async () => {
  const found = await findOutside();
  assert.ok(found, 'this machine reaches no public host');
  outside = found;
  atoll = await startAtoll({ address: '127.0.0.81' });
  api = new PlainApi(atoll);
  target = createServer((socket) => socket.end('the host answered\n'));
  await new Promise<void>((resolve) => target.listen(0, '0.0.0.0', resolve));
  const address = target.address();
  assert.ok(typeof address === 'object' && address !== null);
  targetPort = address.port;
  [sandbox, neighbour] = await Promise.all([api.create({ timeout: 900 }), api.create({ timeout: 900 })]);
});

after(async () => {
  target?.close();
  await atoll?.remove();
});

/** Whether a TCP connection from inside a sandbox succeeds. */
async function reaches(from: Sandbox, address: string, port: number): Promise<boolean> {
  const command = `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo yes || echo no`;
  return (await api.run(from, command)).stdout === 'yes\n';
}

const addressOf = async (of: Sandbox): Promise<string> =>
  (await api.run(of, 'hostname -I')).stdout.trim().split(' ')[0] ?? '';

test('no address of the host is reached, on no port', async () => {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const addresses = own.filter((entry) => entry.family === 'IPv4' && !entry.internal).map((entry) => entry.address);
  const gateway = (await api.run(sandbox, "ip route show default | awk '{print $3}'")).stdout.trim();
  for (const address of new Set([...addresses, gateway])) {
    if (address === '') continue;
    for (const port of [targetPort, 22, Number(new URL(atoll.apiUrl).port), Number(new URL(atoll.sandboxUrl).port)])
      assert.equal(await reaches(sandbox, address, port), false, `${address}:${port}`);
  }
});

test('loopback in a sandbox is its own', async () => {
  assert.equal(await reaches(sandbox, '127.0.0.1', targetPort), false);
  assert.equal(await reaches(sandbox, '127.0.0.81', Number(new URL(atoll.apiUrl).port)), false);
});

test('other sandboxes are not reached', async () => {
  const address = await addressOf(neighbour);
  assert.match(address, /^\d+\./);
  assert.equal(await reaches(sandbox, address, 49_983), false);
  assert.equal((await api.run(neighbour, 'echo alive')).stdout, 'alive\n');
});

test('metadata, link-local and private ranges are denied by default, also against an allow rule', async () => {
  for (const address of [METADATA, '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1'])
    assert.equal(await reaches(sandbox, address, 80), false, address);
  const bold = await api.create({ network: { allowOut: [`${METADATA}/32`, '10.0.0.0/8'] } }).catch(() => undefined);
  if (bold === undefined) return; // refusing the rule is as good
  assert.equal(await reaches(bold, METADATA, 80), false);
  assert.equal(await reaches(bold, await addressOf(neighbour), 49_983), false);
  await api.kill(bold);
});

test('IPv6 leads nowhere', async () => {
  const { stdout } = await api.run(
    sandbox,
    'python3 -c "import socket; s = socket.socket(socket.AF_INET6); s.settimeout(2); print(s.connect_ex((\'2606:4700:4700::1111\', 443)))" 2>/dev/null || echo none',
  );
  assert.notEqual(stdout.trim(), '0');
});

test('names are resolved by our resolver, and no other is reached', async () => {
  const { stdout } = await api.run(sandbox, `getent hosts ${outside.host} >/dev/null && echo found`);
  assert.equal(stdout, 'found\n');
  const resolvers = (await api.run(sandbox, "awk '/^nameserver/{print $2}' /etc/resolv.conf")).stdout
    .trim()
    .split('\n');
  const gateway = (await api.run(sandbox, "ip route show default | awk '{print $3}'")).stdout.trim();
  assert.deepEqual(resolvers, [gateway]);
});

test('pip and apt-get install through the host’s network', async () => {
  const pip = await api.run(
    sandbox,
    'pip install --break-system-packages --no-cache-dir -q six 2>&1 && python3 -c "import six; print(six.__name__)"',
  );
  assert.match(pip.stdout, /^six$/m, pip.stdout);
  const apt = await api.run(sandbox, 'apt-get update >/tmp/apt.log 2>&1; echo status $?; tail -5 /tmp/apt.log', 'root');
  assert.match(apt.stdout, /status 0/, apt.stdout);
});

/** Holds a connection open until told, then asks on it: `alive` when the far end answers in whatever way, else `cut`. */
const ASK_LATER = `
import os, socket, sys, time
s = socket.create_connection((sys.argv[1], 443), 5)
s.settimeout(3)
open('/tmp/is-open', 'w').close()
while not os.path.exists('/tmp/ask'): time.sleep(0.05)
try:
    s.sendall(b'no TLS at all\\r\\n\\r\\n')
    s.recv(1)
    print('alive')
except OSError:
    print('cut')
`;

async function askLater(meanwhile: () => Promise<void>): Promise<string> {
  await api.run(sandbox, 'rm -f /tmp/is-open /tmp/ask');
  await api.upload(sandbox, '/tmp/ask-later.py', Buffer.from(ASK_LATER));
  const answer = api.run(sandbox, `python3 /tmp/ask-later.py ${outside.host}`);
  await api.run(sandbox, 'while ! test -e /tmp/is-open; do sleep 0.05; done');
  await meanwhile();
  await api.run(sandbox, 'touch /tmp/ask');
  return (await answer).stdout;
}

test('a connection that a new rule forbids is cut, and one that it allows goes on', async () => {
  const path = `/sandboxes/${sandbox.sandboxID}/network`;
  const replaceRules = async (rules: object) => assert.equal((await api.call('PUT', path, rules)).status, 204);
  assert.equal(await askLater(() => replaceRules({ denyOut: ['198.51.100.0/24'] })), 'alive\n');
  assert.equal(await askLater(() => replaceRules({ denyOut: ['0.0.0.0/0'] })), 'cut\n');
  assert.equal(await reaches(sandbox, outside.host, 443), false);
  await replaceRules({});
  assert.equal(await reaches(sandbox, outside.host, 443), true);
});
