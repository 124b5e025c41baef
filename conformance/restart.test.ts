import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type OwnedAtoll, startAtoll } from './atoll.ts';
import { countHost, type HostCount, processesOf } from './host-count.ts';
import { findOutside } from './outside.ts';
import { PlainApi, type Sandbox } from './plain-http.ts';

const KILLS = 6;
/** Longest time after the first request of a create at which the server is killed; creates take about 100 ms. */
const LATEST_KILL_MS = 200;

let atoll: OwnedAtoll;

before(async () => {
  atoll = await startAtoll({ address: '127.0.0.82', settings: { 'pool-size': '2' } });
});

after(async () => {
  await atoll?.remove();
});

const api = (): PlainApi => new PlainApi(atoll);

/** Ends the server as a crash would and waits until it is gone. */
async function crash(): Promise<void> {
  const { pid } = atoll;
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await delay(10);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function restart(): Promise<void> {
  atoll = await atoll.start();
}

const listed = async (): Promise<string[]> => {
  const answer = await api().call('GET', '/v2/sandboxes');
  assert.equal(answer.status, 200, answer.text);
  return answer.body.map((item: Sandbox) => item.sandboxID);
};

test('sandboxes keep running through a crash of the server and are adopted again', async () => {
  const sandbox = await api().create({ timeout: 300, metadata: { kept: 'yes' }, network: { denyOut: ['0.0.0.0/0'] } });
  const started = await api().run(
    sandbox,
    'echo before > /home/user/file; nohup sh -c "i=0; while :; do i=$((i+1)); echo $i >> /home/user/count; sleep 0.1; done" >/dev/null 2>&1 & echo $!',
  );
  const pid = started.stdout.trim();
  await crash();
  await delay(500);
  await restart();
  assert.deepEqual(await listed(), [sandbox.sandboxID]);
  const info = (await api().call('GET', `/sandboxes/${sandbox.sandboxID}`)).body;
  assert.deepEqual(info.metadata, { kept: 'yes' });
  const seen = await api().run(
    sandbox,
    `cat /home/user/file; kill -0 ${pid} && echo runs; test $(wc -l < /home/user/count) -gt 5 && echo counted`,
  );
  assert.equal(seen.stdout, 'before\nruns\ncounted\n');
  const outside = await findOutside();
  assert.ok(outside, 'this machine reaches no public host');
  const denied = await api().run(
    sandbox,
    `timeout 3 bash -c 'exec 3<>/dev/tcp/${outside.ip}/443' 2>/dev/null && echo open || echo closed`,
  );
  assert.equal(denied.stdout, 'closed\n', 'its network rules are still in force');
  await api().kill(sandbox);
  assert.deepEqual(await listed(), []);
});

test('a deadline that passes while the server is down holds when it is back', async () => {
  const short = await api().create({ timeout: 3 });
  const long = await api().create({ timeout: 300 });
  await crash();
  await delay(3_500);
  await restart();
  await delay(500);
  const running = await listed();
  assert.ok(running.includes(long.sandboxID), 'the other one runs');
  assert.ok(!running.includes(short.sandboxID), 'it was ended');
  assert.equal((await api().call('GET', `/sandboxes/${short.sandboxID}`)).status, 404);
  await api().kill(long);
});

test('a crash at any moment of a create leaves what was answered running, and nothing of the rest', async () => {
  const keeper = await api().create({ timeout: 600 });
  for (let round = 0; round < KILLS; round += 1) {
    const moment = Math.floor((round / KILLS) * LATEST_KILL_MS + Math.random() * (LATEST_KILL_MS / KILLS));
    const attempts = Array.from({ length: 3 }, () =>
      api()
        .create({ timeout: 600 })
        .catch(() => undefined),
    );
    await delay(moment);
    await crash();
    const answered = (await Promise.all(attempts)).filter((made) => made !== undefined);
    await restart();
    const running = await listed();
    for (const made of [keeper, ...answered])
      assert.ok(running.includes(made.sandboxID), `killed after ${moment} ms: an answered sandbox is lost`);
    for (const sandboxID of running) {
      const answer = await api().call('POST', `/v2/sandboxes/${sandboxID}/connect`, {});
      assert.equal((await api().run(answer.body, 'echo alive')).stdout, 'alive\n', `killed after ${moment} ms`);
      if (sandboxID !== keeper.sandboxID) await api().kill(answer.body);
    }
  }
  await api().kill(keeper);
});

test('`atoll down` leaves nothing on the host, also after crashes', async () => {
  await Promise.all([api().create(), api().create(), api().create()]);
  await crash();
  await restart();
  await api().create();
  await atoll.down();
  const { diskKiB: _, ...left } = await countHost(atoll);
  const nothing: Omit<HostCount, 'diskKiB'> = {
    mounts: 0,
    namespaces: 0,
    links: 0,
    cgroups: 0,
    nftLines: 0,
    loops: 0,
    processes: 0,
    openFiles: 0,
  };
  assert.deepEqual(left, nothing);
  assert.deepEqual(await processesOf(atoll), []);
  await restart();
  assert.deepEqual(await listed(), [], 'what was stopped is not listed');
});
