import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from './load.ts';
import { SETTINGS } from './schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'atoll-settings-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('a flag wins over a variable, a variable over the file, the file over the default, and each says so', async () => {
  const configFile = file('config.toml', 'apiPort = 1\nedgePort = 2\npoolSize = 3\nresolvers = ["9.9.9.9"]\n');
  const { settings, origins } = await loadSettings({
    flags: { 'api-port': '11' },
    environment: { ATOLL_API_PORT: '12', ATOLL_EDGE_PORT: '13' },
    configFile,
  });
  assert.deepEqual([settings.apiPort, settings.edgePort, settings.poolSize, settings.host], [11, 13, 3, '0.0.0.0']);
  assert.deepEqual(settings.resolvers, ['9.9.9.9']);
  assert.deepEqual(
    [origins.apiPort, origins.edgePort, origins.poolSize, origins.host],
    ['flag', 'environment', 'config file', 'default'],
  );
});

test('the file may be JSON', async () => {
  const configFile = file('config.json', '{"alwaysSecure": true}');
  assert.equal((await loadSettings({ flags: {}, environment: {}, configFile })).settings.alwaysSecure, true);
});

test('values that do not fit are refused with their flag and where they came from', async () => {
  const load = (environment: Record<string, string>) => loadSettings({ flags: {}, environment });
  await assert.rejects(load({ ATOLL_API_PORT: '70000' }), /--api-port \(from environment\): must be <= 65535/);
  await assert.rejects(load({ ATOLL_API_PORT: 'many' }), /ATOLL_API_PORT must be a number, not "many"/);
  await assert.rejects(load({ ATOLL_ALWAYS_SECURE: 'maybe' }), /ATOLL_ALWAYS_SECURE must be true or false/);
  await assert.rejects(load({ ATOLL_API_KEY: 'secret' }), /--api-key/);
  await assert.rejects(load({ ATOLL_INSTANCE: 'much-too-long' }), /--instance/);
});

test('an unknown key of the file is refused by name', async () => {
  const configFile = file('unknown.toml', 'api_port = 1\n');
  await assert.rejects(loadSettings({ flags: {}, environment: {}, configFile }), /unknown settings: api_port/);
});

test('settings that contradict each other are refused', async () => {
  const load = (environment: Record<string, string>) => loadSettings({ flags: {}, environment });
  await assert.rejects(load({ ATOLL_TLS_PORT: '443' }), /--tls-port needs --domain/);
  await assert.rejects(load({ ATOLL_DNS_PORT: '53' }), /--dns-port needs --domain/);
  await assert.rejects(load({ ATOLL_TLS_CERT: '/x.pem' }), /belong together/);
});

test('lists are read from one text, separated by commas', async () => {
  const { settings } = await loadSettings({ flags: { 'allow-private': '10.1.0.0/16, 10.2.0.0/16' }, environment: {} });
  assert.deepEqual(settings.allowPrivate, ['10.1.0.0/16', '10.2.0.0/16']);
});

test('flags and variables of all settings follow from their names', () => {
  const names = SETTINGS.map(({ name, flag, variable }) => [name, flag, variable].join(' '));
  assert.ok(names.includes('dataDir data-dir ATOLL_DATA_DIR'));
  assert.ok(names.includes('memoryMiB memory-mib ATOLL_MEMORY_MIB'));
  assert.equal(new Set(SETTINGS.map(({ flag }) => flag)).size, SETTINGS.length);
  assert.ok(SETTINGS.every(({ description }) => description !== ''));
});
