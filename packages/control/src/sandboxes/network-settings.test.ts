import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AtollError } from '@atoll/contract';
import { egressPolicy, readNetwork, updateNetwork } from './network-settings.ts';

const refused = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof AtollError && error.code === code && text.test(error.message);

test('without any settings everything public is reachable', () => {
  assert.deepEqual(readNetwork(undefined, undefined), {});
  assert.deepEqual(egressPolicy({}), { allowOut: [], denyOut: [], ports: [] });
});

test('no internet access is the same as denying everything, and allowed addresses still beat it', () => {
  for (const settings of [readNetwork(undefined, false), readNetwork(false, undefined)]) {
    assert.deepEqual(settings, { allowInternetAccess: false });
    assert.deepEqual(egressPolicy(settings).denyOut, ['0.0.0.0/0']);
  }
  const settings = readNetwork({ allowOut: ['1.1.1.1'] }, false);
  assert.deepEqual(egressPolicy(settings), { allowOut: ['1.1.1.1/32'], denyOut: ['0.0.0.0/0'], ports: [] });
  assert.deepEqual(readNetwork(true, undefined), { allowInternetAccess: true });
});

test('addresses are normalised, doubles dropped, and IPv6 denials kept but not handed to the node', () => {
  const settings = readNetwork({ denyOut: ['10.1.2.3/8', '10.0.0.0/8', ' 8.8.8.8 ', '2001:DB8::/32'] }, undefined);
  assert.deepEqual(settings.denyOut, ['10.0.0.0/8', '8.8.8.8/32', '2001:db8::/32']);
  assert.deepEqual(egressPolicy(settings).denyOut, ['10.0.0.0/8', '8.8.8.8/32']);
});

test('what is no address is refused with the field that holds it', () => {
  for (const entry of [
    '0.0.0.0',
    '1.2.3',
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/-1',
    '::1/129',
    'example.com',
    '',
    '999.1.1.1',
  ]) {
    assert.throws(
      () => readNetwork({ denyOut: ['1.1.1.1', entry] }, undefined),
      refused('invalid_request', /^validation error: network\.denyOut\.1 /),
      entry,
    );
  }
});

test('domains in allowOut need everything denied, and are then refused as not implemented', () => {
  assert.throws(
    () => readNetwork({ allowOut: ['*.example.com'] }, undefined),
    refused('invalid_request', /requires 0\.0\.0\.0\/0 in denyOut/),
  );
  for (const domain of ['example.com', '*.example.com', '*']) {
    assert.throws(
      () => readNetwork({ allowOut: [domain], denyOut: ['0.0.0.0/0'] }, undefined),
      refused('not_implemented', /network\.allowOut with domains/),
    );
  }
  assert.throws(() => readNetwork({ allowOut: ['2001:db8::1'] }, undefined), refused('not_implemented', /IPv6/));
  assert.throws(() => readNetwork({ allowOut: ['1.2.3.4.5'] }, undefined), refused('invalid_request', /allowOut\.0/));
});

test('what is still to come is refused by its name, and accepted when it asks for nothing', () => {
  for (const [network, name] of [
    [{ egressProxy: { address: '1.2.3.4:1080' } }, /network\.egressProxy/],
    [{ rules: { 'example.com': [] } }, /network\.rules/],
    [{ vpn: { enabled: true } }, /network\.vpn/],
  ] as const) {
    assert.throws(() => readNetwork(network, undefined), refused('not_implemented', name));
  }
  assert.deepEqual(readNetwork({ rules: {}, vpn: { enabled: false } }, undefined), {});
});

test('named resolvers are asked instead of the own ones, and with blockAutoDetect nobody else can be', () => {
  const dns = { customServers: ['9.9.9.9'] };
  assert.deepEqual(egressPolicy(readNetwork({ dns }, undefined)).resolvers, ['9.9.9.9']);
  const strict = egressPolicy(readNetwork({ dns: { ...dns, blockAutoDetect: true } }, undefined));
  assert.deepEqual(strict.resolvers, ['9.9.9.9']);
  assert.deepEqual(strict.ports, [
    { port: 53, protocol: 'udp', access: 'deny' },
    { port: 53, protocol: 'tcp', access: 'deny' },
  ]);
  assert.deepEqual(egressPolicy(readNetwork({ dns: { blockAutoDetect: true } }, undefined)).resolvers, []);
  assert.throws(
    () => readNetwork({ dns: { customServers: ['one.one'] } }, undefined),
    refused('invalid_request', /network\.dns\.customServers\.0/),
  );
});

test('an empty list of resolvers is kept apart from none', () => {
  assert.deepEqual(egressPolicy(readNetwork({ dnsServers: [] }, undefined)).dnsServers, []);
  assert.equal(egressPolicy(readNetwork({}, undefined)).dnsServers, undefined);
  assert.throws(() => readNetwork({ dnsServers: ['::1'] }, undefined), refused('invalid_request', /dnsServers\.0/));
});

test('a masked host is host[:port] in ASCII with the port placeholder where a port may be', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the wire's placeholder
  const placeholder = '${PORT}';
  for (const good of ['localhost', 'app.example.com:8080', `localhost:${placeholder}`, `p${placeholder}.example.com`]) {
    assert.equal(readNetwork({ maskRequestHost: good }, undefined).maskRequestHost, good);
  }
  for (const bad of ['', 'a b', 'höst', 'host:0', 'host:99999', 'host:', 'http://host', 'host/path', 'a\r\nb', '-a']) {
    assert.throws(
      () => readNetwork({ maskRequestHost: bad }, undefined),
      refused('invalid_request', /maskRequestHost/),
      bad,
    );
  }
});

test('the port of envd cannot speak TLS', () => {
  assert.deepEqual(readNetwork({ httpsPorts: [443, 443] }, undefined).httpsPorts, [443]);
  for (const bad of [0, 65536, 49983]) {
    assert.throws(() => readNetwork({ httpsPorts: [bad] }, undefined), refused('invalid_request', /httpsPorts/));
  }
});

test('an update replaces the whole egress part, keeps the ingress part, and internet access unless it is sent', () => {
  const before = readNetwork(
    { denyOut: ['1.1.1.1'], dnsServers: [], allowPublicTraffic: false, httpsPorts: [443], maskRequestHost: 'a' },
    false,
  );
  assert.deepEqual(updateNetwork(before, { allowOut: ['2.2.2.2'] }), {
    allowOut: ['2.2.2.2/32'],
    allowPublicTraffic: false,
    httpsPorts: [443],
    maskRequestHost: 'a',
    allowInternetAccess: false,
  });
  assert.equal(updateNetwork(before, { allow_internet_access: true }).allowInternetAccess, true);
});
