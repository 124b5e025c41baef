import assert from 'node:assert/strict';
import { rejection } from '../context.mjs';

const EVERYTHING = '0.0.0.0/0';

/** The exit code of curl towards the outside: 0 when it answered. The address is given, so no name is asked for. */
async function curl(t, sandbox) {
  const { host, ip } = t.outside;
  const { stdout } = await sandbox.commands.run(
    `curl -sk -o /dev/null -m 4 --resolve ${host}:443:${ip} https://${host}/; echo $?`,
  );
  return Number(stdout.trim());
}

function needsOutside(t) {
  if (t.outside === undefined) t.notApplicable('this machine reaches nothing outside');
}

export const operations = {
  async 'create-offline'(t) {
    needsOutside(t);
    const online = await t.sandbox();
    assert.equal(await curl(t, online), 0, 'the internet answers by default');
    const sandbox = await t.fresh({ allowInternetAccess: false });
    assert.notEqual(await curl(t, sandbox), 0);
    await sandbox.kill();
  },

  async 'create-network'(t) {
    needsOutside(t);
    const network = { allowOut: [t.outside.ip], denyOut: [EVERYTHING] };
    const allowed = await t.fresh({ network });
    assert.equal(await curl(t, allowed), 0, 'allow beats deny');
    const info = await t.sdk.Sandbox.getInfo(allowed.sandboxId);
    if (info.network !== undefined) assert.deepEqual(info.network.denyOut, [EVERYTHING]);
    const denied = await t.fresh({ network: { denyOut: [`${t.outside.ip}/32`] } });
    assert.notEqual(await curl(t, denied), 0);
    const error = await rejection(t.fresh({ network: { denyOut: ['example.com'] } }));
    assert.match(error.message, /400/);
    await Promise.all([allowed.kill(), denied.kill()]);
  },

  async 'create-private'(t) {
    const sandbox = await t.fresh({ network: { allowPublicTraffic: false } });
    const token = sandbox.trafficAccessToken;
    assert.ok(token, 'the traffic token is handed out');
    const { url, headers } = t.reach(sandbox, 8080);
    const status = async (extra) => (await fetch(url, { headers: { ...headers, ...extra } })).status;
    assert.equal(await status({}), 403);
    assert.equal(await status({ 'e2b-traffic-access-token': 'wrong' }), 403);
    assert.equal(await status({ 'e2b-traffic-access-token': token }), 502, 'past the check: the port is closed');
    assert.equal((await sandbox.commands.run('echo ok')).stdout, 'ok\n');
    await sandbox.kill();
  },

  async 'network-update'(t) {
    needsOutside(t);
    const sandbox = await t.fresh();
    if (sandbox.updateNetwork === undefined) t.notApplicable('this version has no updateNetwork');
    assert.equal(await curl(t, sandbox), 0);
    await sandbox.updateNetwork({ denyOut: [EVERYTHING] });
    assert.notEqual(await curl(t, sandbox), 0, 'denied at once');
    assert.equal((await sandbox.commands.run('echo still')).stdout, 'still\n');
    await sandbox.updateNetwork({ allowOut: [t.outside.ip], denyOut: [EVERYTHING] });
    assert.equal(await curl(t, sandbox), 0, 'allowed again');
    await sandbox.updateNetwork({});
    assert.equal(await curl(t, sandbox), 0, 'left-out lists are cleared');
    await sandbox.kill();
  },
};
