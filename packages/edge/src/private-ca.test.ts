import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { ensurePrivateCa } from './private-ca.ts';
import { eventually, routeTo, startEdge, startGuest } from './testing.ts';

async function newDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-ca-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

test('a client that trusts the private CA reaches a sandbox, the API and envd by their names', async (t) => {
  const directory = await newDirectory(t);
  const files = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  const port = await startGuest(t, '127.0.0.20', (request, response) => response.end(`hello ${request.headers.host}`));
  const apiUrl = `http://127.0.0.20:${port}`;
  const tls = { port: 0, cert: files.certPath, key: files.keyPath };
  const { edge, routes } = await startEdge(t, { tls, apiUrl });
  routes.publish(routeTo('127.0.0.20'));
  const ca = await readFile(files.caPath, 'utf8');
  for (const host of [`${port}-iguest.atoll.test`, 'api.atoll.test']) {
    const body = await new Promise<string>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: edge.tlsPort, servername: host, headers: { host }, ca, agent: false };
      get(options, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
    assert.equal(body, `hello ${host}`);
  }
});

test('other verifiers accept the certificate for the domain and no other name', async (t) => {
  const directory = await newDirectory(t);
  const files = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  const verify = (name: string): Promise<unknown> =>
    promisify(execFile)('openssl', [
      'verify',
      '-x509_strict',
      '-CAfile',
      files.caPath,
      '-verify_hostname',
      name,
      files.certPath,
    ]);
  await verify('49983-iguest.atoll.test');
  await verify('atoll.test');
  await assert.rejects(verify('example.com'));
});

test('keys are readable by their owner only, and nothing is made twice', async (t) => {
  const directory = await newDirectory(t);
  const files = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  for (const name of ['key.pem', 'ca-key.pem']) {
    assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600);
  }
  const before = await Promise.all([files.caPath, files.certPath, files.keyPath].map((path) => readFile(path, 'utf8')));
  await ensurePrivateCa({ directory, domain: 'atoll.test' });
  const after = await Promise.all([files.caPath, files.certPath, files.keyPath].map((path) => readFile(path, 'utf8')));
  assert.deepEqual(after, before);
});

test('a certificate with little time left is renewed by the same CA', async (t) => {
  const directory = await newDirectory(t);
  const files = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  const [ca, cert] = await Promise.all([readFile(files.caPath, 'utf8'), readFile(files.certPath, 'utf8')]);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 350 * 24 * 60 * 60 * 1000 });
  await ensurePrivateCa({ directory, domain: 'atoll.test' });
  assert.equal(await readFile(files.caPath, 'utf8'), ca);
  assert.notEqual(await readFile(files.certPath, 'utf8'), cert);
});

test('another domain gets another CA', async (t) => {
  const directory = await newDirectory(t);
  const files = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  const ca = await readFile(files.caPath, 'utf8');
  await ensurePrivateCa({ directory, domain: 'other.test' });
  assert.notEqual(await readFile(files.caPath, 'utf8'), ca);
});

test('an open edge takes a certificate that was replaced, and keeps the old one while the files do not fit', async (t) => {
  const { watchCertificate } = await import('./certificate-files.ts');
  const { pino } = await import('pino');
  const directory = await newDirectory(t);
  const first = await ensurePrivateCa({ directory, domain: 'atoll.test' });
  let renewals = 0;
  const paths = { cert: first.certPath, key: first.keyPath };
  const watcher = watchCertificate(paths, () => (renewals += 1), pino({ level: 'silent' }), 10);
  t.after(() => watcher.close());
  await new Promise((resolve) => setTimeout(resolve, 50));
  const key = await readFile(first.keyPath, 'utf8');
  await writeFile(first.keyPath, 'half a key');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(renewals, 0);
  await writeFile(first.keyPath, key);
  await eventually(() => renewals > 0, 'renewal');
});
