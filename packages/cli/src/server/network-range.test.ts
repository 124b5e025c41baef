import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseNetworkRange, firstFreeRange, routedNetworks } from './network-range.ts';

const ROUTES = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
vpn0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
`;

test('the routing table is read as addresses and masks, without the default route', () => {
  assert.deepEqual(routedNetworks(ROUTES), [
    { address: 0xac110000, mask: 0xffff0000 },
    { address: 0x0a000000, mask: 0xff000000 },
  ]);
});

test('a range that a route, an interface or a resolver uses is passed over', () => {
  const first = firstFreeRange('seed', []);
  const second = Number(first.split('.')[1]);
  const taken = { address: ((10 << 24) | (second << 16) | 0x0503) >>> 0, mask: 0xffffffff };
  assert.notEqual(firstFreeRange('seed', [taken]), first);
});

test('two data directories begin their search at different ranges', () => {
  assert.notEqual(firstFreeRange('/var/lib/atoll', []), firstFreeRange('/srv/atoll', []));
});

test('a machine whose whole 10.0.0.0/8 is routed gets an error that says how to go on', () => {
  assert.throws(() => firstFreeRange('seed', routedNetworks(ROUTES)), /No free 10\.x\.0\.0\/16 range/);
});

test('this machine has a free range', () => {
  assert.match(chooseNetworkRange('/var/lib/atoll'), /^10\.\d+\.0\.0\/16$/);
});
