import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

const PATH = '/home/user/signed ü.txt';

async function prepared(t) {
  const sandbox = await t.sandbox();
  await sandbox.files.write(PATH, 'signed content');
  return sandbox;
}

export const operations = {
  async 'signed-download'(t) {
    const sandbox = await prepared(t);
    const plain = await fetch(await sandbox.downloadUrl(PATH));
    assert.equal(plain.status, 200, await plain.clone().text());
    assert.equal(await plain.text(), 'signed content');
    const expiring = await fetch(await sandbox.downloadUrl(PATH, { useSignatureExpiration: 60, user: 'root' }));
    assert.equal(await expiring.text(), 'signed content');
  },

  async 'signed-upload'(t) {
    const sandbox = await prepared(t);
    const form = new FormData();
    form.append('file', new Blob(['uploaded']), 'ignored-name');
    const url = await sandbox.uploadUrl('/home/user/uploaded.txt', { useSignatureExpiration: 60 });
    const answer = await fetch(url, { method: 'POST', body: form });
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal(await sandbox.files.read('/home/user/uploaded.txt'), 'uploaded');
  },

  async 'signed-expired'(t) {
    const sandbox = await prepared(t);
    const url = await sandbox.downloadUrl(PATH, { useSignatureExpiration: 1 });
    await delay(2_100);
    const answer = await fetch(url);
    assert.equal(answer.status, 401);
    assert.match(await answer.text(), /expired/);
  },

  async 'signed-replay'(t) {
    const sandbox = await prepared(t);
    const url = new URL(await sandbox.downloadUrl(PATH));
    url.searchParams.set('path', '/etc/passwd');
    const elsewhere = await fetch(url);
    // With two URLs nothing but a valid signature names the sandbox, so an invalid one leads to none (502).
    assert.ok([401, 502].includes(elsewhere.status), `status ${elsewhere.status}`);
    const upload = await fetch(await sandbox.downloadUrl(PATH), { method: 'POST', body: new FormData() });
    assert.ok([401, 502].includes(upload.status), `a read signature does not write: ${upload.status}`);
  },
};
