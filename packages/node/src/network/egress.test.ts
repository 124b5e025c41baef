import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DEFAULT_EGRESS, type EgressPolicy } from '@atoll/contract';
import { runCommand } from './command.ts';
import type { Slot, SlotPool } from './slots.ts';
import {
  openTestInternet,
  openTestPool,
  runInGuest,
  serveEcho,
  startInGuest,
  type TestInternet,
} from './test-network.ts';

const WEB_PORT = 8080;
const OTHER_PORT = 9090;
const TICK_PORT = 9191;
const HOST_PORT = 18_431;
const PROTECTED_PORT = 18_432;

const REFUSED_TCP = 'ECONNREFUSED';
const REFUSED_UDP = 'EHOSTUNREACH';
const EVERYTHING = '0.0.0.0/0';

describe('egress', () => {
  let internet: TestInternet;
  let pool: SlotPool;
  let slot: Slot;

  const cleanUps: (() => Promise<void>)[] = [];
  const suite = { after: (cleanUp: () => Promise<void>) => cleanUps.push(cleanUp) };

  before(async () => {
    internet = await openTestInternet(suite, [WEB_PORT, OTHER_PORT]);
    startInGuest(suite, internet.namespacePath, { kind: 'tick', host: '0.0.0.0', port: TICK_PORT });
    await serveEcho(suite, undefined, '0.0.0.0', [HOST_PORT, PROTECTED_PORT]);
    pool = await openTestPool(suite, { allowedPrivate: [internet.intranet], protectedPorts: [PROTECTED_PORT] });
    slot = await pool.acquire();
  });
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const tcp = (host: string, port: number, from: Slot = slot): Promise<string> =>
    runInGuest(from.namespacePath, { kind: 'tcp', host, port });
  const udp = (host: string, port: number): Promise<string> =>
    runInGuest(slot.namespacePath, { kind: 'udp', host, port });
  const policy = (egress: Partial<EgressPolicy>): Promise<void> =>
    pool.applyEgress(slot, { ...DEFAULT_EGRESS, ...egress });

  test('a guest without a policy reaches the internet by TCP and UDP', async () => {
    assert.equal(await tcp(internet.site, WEB_PORT), 'echo');
    assert.equal(await udp(internet.site, WEB_PORT), 'echo');
  });

  test('a guest without a policy is refused private ranges, cloud metadata and loopback at once', async () => {
    for (const host of [
      internet.intranetSite,
      '10.1.2.3',
      '192.168.1.1',
      '100.64.0.1',
      '169.254.169.254',
      '240.0.0.1',
    ]) {
      assert.equal(await tcp(host, 80), REFUSED_TCP, host);
    }
    // One address only: the kernel limits how many such answers it sends to a guest in a second.
    assert.equal(await udp('10.1.2.3', 80), REFUSED_UDP);
  });

  test('a guest is refused every address of the host, whatever range it is in', async () => {
    for (const host of [internet.hostAddress, slot.gateway, internet.hostIntranetAddress]) {
      assert.equal(await tcp(host, HOST_PORT), REFUSED_TCP, host);
      assert.notEqual(await udp(host, HOST_PORT), 'echo', host);
    }
  });

  test('the host reaches a guest, and its answers get through', async (t) => {
    const server = await serveEcho(t, slot.namespacePath, slot.address, [WEB_PORT]);
    const host = startInGuest(t, undefined, { kind: 'hold', host: slot.address, port: WEB_PORT });
    await host.waitFor((line) => line === 'echo');
    await host.close();
    await server.close();
  });

  test('a guest does not reach another guest, of its own instance or of one beside it', async (t) => {
    const neighbours = await openTestPool(t);
    const [sibling, neighbour] = await Promise.all([pool.acquire(), neighbours.acquire()]);
    const servers = await Promise.all(
      [sibling, neighbour].map((other) => serveEcho(t, other.namespacePath, other.address, [WEB_PORT])),
    );
    assert.equal(await tcp(sibling.address, WEB_PORT), REFUSED_TCP);
    assert.equal(await tcp(neighbour.address, WEB_PORT), REFUSED_TCP);
    assert.equal(await tcp(slot.address, WEB_PORT, neighbour), REFUSED_TCP);
    assert.equal(await tcp(internet.site, WEB_PORT, neighbour), 'echo');
    for (const server of servers) await server.close();
    await pool.release(sibling.index);
    await neighbours.close({ remove: true });
    assert.equal(await tcp(internet.site, WEB_PORT), 'echo');
  });

  test('nobody beside the host reaches a guest through it', async (t) => {
    const server = await serveEcho(t, slot.namespacePath, slot.address, [WEB_PORT]);
    const result = await runInGuest(internet.namespacePath, { kind: 'tcp', host: slot.address, port: WEB_PORT });
    assert.equal(result, REFUSED_TCP);
    await server.close();
  });

  test('packets with a source address that is not the slot’s are dropped', async () => {
    const forged = '10.9.9.9';
    await runCommand('nsenter', [`--net=${slot.namespacePath}`, 'ip', 'address', 'add', `${forged}/32`, 'dev', 'lo']);
    const result = await runInGuest(slot.namespacePath, {
      kind: 'tcp',
      host: internet.site,
      port: WEB_PORT,
      source: forged,
    });
    assert.equal(result, 'silence');
  });

  test('IPv6 leads nowhere, even where both ends have addresses', async (t) => {
    const server = await serveEcho(t, undefined, '::', [HOST_PORT + 2]);
    await runCommand('ip', ['address', 'add', 'fd99:77::1/64', 'dev', slot.hostInterface, 'nodad']);
    await runCommand('nsenter', [
      `--net=${slot.namespacePath}`,
      ...['ip', 'address', 'add', 'fd99:77::2/64', 'dev', 'eth0', 'nodad'],
    ]);
    assert.notEqual(await tcp('fd99:77::1', HOST_PORT + 2), 'echo');
    assert.notEqual(await udp('fd99:77::1', HOST_PORT + 2), 'echo');
    await server.close();
  });

  test('denied addresses are refused, the others are not', async () => {
    await policy({ denyOut: [`${internet.site}/32`] });
    assert.equal(await tcp(internet.site, WEB_PORT), REFUSED_TCP);
    assert.notEqual(await udp(internet.site, WEB_PORT), 'echo');
    assert.equal(await tcp(internet.otherSite, WEB_PORT), 'echo');
  });

  test('allow beats deny, and a denied everything leaves only what is allowed', async () => {
    await policy({ allowOut: [internet.otherSite], denyOut: [EVERYTHING] });
    assert.equal(await tcp(internet.site, WEB_PORT), REFUSED_TCP);
    assert.equal(await tcp(internet.otherSite, WEB_PORT), 'echo');
    await policy({ denyOut: [EVERYTHING] });
    assert.equal(await tcp(internet.otherSite, WEB_PORT), REFUSED_TCP);
  });

  test('overlapping and nested ranges are taken together', async () => {
    await policy({
      allowOut: [`${internet.site}/30`, internet.site, `${internet.site}/25`],
      denyOut: [EVERYTHING, `${internet.site}/24`],
    });
    assert.equal(await tcp(internet.site, WEB_PORT), 'echo');
  });

  test('a denied port is refused whatever the address, and an allowed one opens nothing', async () => {
    await policy({
      allowOut: [internet.site],
      denyOut: [EVERYTHING],
      ports: [
        { port: OTHER_PORT, protocol: 'tcp', access: 'deny' },
        { port: WEB_PORT, protocol: 'tcp', access: 'allow' },
      ],
    });
    assert.equal(await tcp(internet.site, OTHER_PORT), REFUSED_TCP);
    assert.equal(await tcp(internet.site, WEB_PORT), 'echo');
    assert.equal(await udp(internet.site, OTHER_PORT), 'echo');
    assert.equal(await tcp(internet.otherSite, WEB_PORT), REFUSED_TCP);
  });

  test('a private address opens only where both the settings and the policy say so', async () => {
    await policy({ allowOut: [EVERYTHING] });
    assert.equal(await tcp(internet.intranetSite, WEB_PORT), REFUSED_TCP);
    await policy({ allowOut: [internet.intranetSite] });
    assert.equal(await tcp(internet.intranetSite, WEB_PORT), 'echo');
    await assert.rejects(policy({ allowOut: ['192.168.1.1'] }), { code: 'invalid_request' });
    assert.equal(await tcp(internet.intranetSite, WEB_PORT), 'echo', 'the policy before stays in force');
  });

  test('an address of the host that is opened keeps its protected ports closed', async () => {
    await policy({ allowOut: [internet.hostIntranetAddress] });
    assert.equal(await tcp(internet.hostIntranetAddress, HOST_PORT), 'echo');
    assert.equal(await tcp(internet.hostIntranetAddress, PROTECTED_PORT), REFUSED_TCP);
    await policy({});
    assert.equal(await tcp(internet.hostIntranetAddress, HOST_PORT), REFUSED_TCP);
  });

  test('malformed policies are refused', async () => {
    for (const bad of ['1.2.3', '1.2.3.4/33', '::1', 'example.com', '1.2.3.4/8/8', '1.2.3.4; flush ruleset']) {
      await assert.rejects(policy({ denyOut: [bad] }), { code: 'invalid_request' }, bad);
    }
    const ports = [{ port: 0, protocol: 'tcp', access: 'deny' }] as const;
    await assert.rejects(policy({ ports }), { code: 'invalid_request' });
  });

  test('a new policy cuts the connections it forbids at once and keeps the others', async (t) => {
    await policy({});
    const cut = startInGuest(t, slot.namespacePath, { kind: 'hold', host: internet.site, port: WEB_PORT });
    const kept = startInGuest(t, slot.namespacePath, { kind: 'hold', host: internet.otherSite, port: WEB_PORT });
    await Promise.all([cut.waitFor((line) => line === 'echo'), kept.waitFor((line) => line === 'echo')]);
    await policy({ denyOut: [internet.site] });
    const before = kept.lines.length;
    assert.equal(await cut.waitFor((line) => line !== 'echo'), 'ECONNRESET');
    assert.equal(await tcp(internet.site, WEB_PORT), REFUSED_TCP);
    assert.ok(kept.lines.length > before && kept.lines.every((line) => line === 'echo'), 'the allowed one goes on');
    await Promise.all([cut.close(), kept.close()]);
  });

  test('what a far end sends on a connection that is forbidden now does not reach a guest that only listens', async (t) => {
    await policy({});
    const listener = startInGuest(t, slot.namespacePath, { kind: 'listen', host: internet.site, port: TICK_PORT });
    await listener.waitFor((line) => line === 'tick');
    await policy({ denyOut: [internet.site] });
    const heard = listener.lines.length;
    const [line] = await Promise.all([tcp(internet.otherSite, WEB_PORT), udp(internet.site, WEB_PORT)]);
    assert.equal(line, 'echo');
    assert.equal(listener.lines.length, heard);
    await listener.close();
  });

  test('a guest that fills the table of connections is held at its share, and others do not notice', async (t) => {
    await policy({});
    const flooder = await pool.acquire();
    await runInGuest(flooder.namespacePath, { kind: 'flood', host: internet.site, ports: 12_000 });
    const entries = await runCommand('conntrack', ['-L', '-f', 'ipv4', '-s', flooder.address]);
    const count = entries.trimEnd().split('\n').length;
    t.diagnostic(`${count} entries`);
    assert.ok(count > 8_000 && count <= 8_192, `${count} entries`);
    assert.equal(await tcp(internet.site, WEB_PORT, flooder), REFUSED_TCP);
    assert.equal(await tcp(internet.site, WEB_PORT), 'echo');
    await pool.release(flooder.index);
  });
});
