import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AtollError, type BuildSummary, type SandboxDied } from '@atoll/contract';
import { runInGuest } from './testing/guest-command.ts';
import { findLeftovers, findNetwork } from './testing/leftovers.ts';
import {
  bakeTestBuild,
  eventually,
  newTestPlace,
  openTestNode,
  removeTestPlace,
  type TestNode,
  type TestPlace,
} from './testing/test-node.ts';

const { signal } = new AbortController();

describe('a node', () => {
  let place: TestPlace;
  let test: TestNode;
  let build: BuildSummary;

  before(async () => {
    place = await newTestPlace();
    test = await openTestNode(place, { metricsIntervalMs: 200, watchIntervalMs: 200 });
    build = await bakeTestBuild(test.node);
  });

  after(async () => {
    await test.close({ endSandboxes: true });
    assert.deepEqual(await findLeftovers(place), {});
    assert.deepEqual(await findNetwork(place.instance), []);
    await removeTestPlace(place);
  });

  it('starts a sandbox that knows its name, its variables and its resolver', async () => {
    const { sandboxId, address } = await test.create(build, { envVars: { GREETING: 'hello' } });
    const script = 'echo $GREETING $FROM_BUILD; hostname; cat /etc/hostname /etc/resolv.conf; cat /etc/machine-id';
    const { stdout } = await runInGuest(address, script);
    const [greeting, hostname, hostnameFile, resolver, machineId] = stdout.split('\n');
    assert.equal(greeting, 'hello yes');
    assert.equal(hostname, sandboxId);
    assert.equal(hostnameFile, sandboxId);
    assert.match(resolver ?? '', /^nameserver [0-9.]+$/);
    assert.match(machineId ?? '', /^[0-9a-f]{32}$/);
    await test.node.kill(sandboxId, 'killed');
  });

  it('asks for the token of a secured sandbox', async () => {
    const { sandboxId, address } = await test.create(build, { envdAccessToken: 'secret' });
    await assert.rejects(runInGuest(address, 'true'));
    assert.equal((await runInGuest(address, 'echo yes', 'secret')).stdout, 'yes\n');
    const logged = await test.node.logs(sandboxId, { limit: 100, direction: 'forward' });
    assert.ok(logged.some((line) => line.logger === 'atoll' && line.message === 'The sandbox started.'));
    await test.node.kill(sandboxId, 'killed');
  });

  it('lists what runs, and leaves nothing of what was killed', async () => {
    const { sandboxId, address, lifecycleId } = await test.create(build);
    const [entry] = await test.node.inventory();
    assert.equal(entry?.sandboxId, sandboxId);
    assert.equal(entry?.address, address);
    assert.equal(entry?.lifecycleId, lifecycleId);
    assert.equal(entry?.spec.teamId, 'team');
    await test.node.kill(sandboxId, 'timeout');
    assert.deepEqual(await test.node.inventory(), []);
    assert.deepEqual(await findLeftovers(place), {});
    assert.equal((await test.node.deathOf(sandboxId))?.reason, 'timeout');
  });

  it('kills once when it is asked twice at the same time, and again later', async () => {
    const { sandboxId } = await test.create(build);
    await Promise.all([test.node.kill(sandboxId, 'killed'), test.node.kill(sandboxId, 'timeout')]);
    await test.node.kill(sandboxId, 'timeout');
    assert.equal((await test.node.deathOf(sandboxId))?.reason, 'killed');
    assert.deepEqual(await findLeftovers(place), {});
  });

  it('undoes a start that is killed meanwhile, at any moment', async () => {
    for (const afterMs of [0, 5, 20, 60, 120]) {
      const { buildId, resources, templateId } = build;
      const { sandboxId } = await test.node.reserve({ buildId, resources }, signal);
      const spec = { sandboxId, buildId, templateId, resources, teamId: 'team', envVars: {} };
      const egress = { allowOut: [], denyOut: [], ports: [] };
      const started = test.node.start({ ...spec, egress }, signal).then(
        () => 'started',
        (error: unknown) => (error instanceof AtollError ? error.code : error),
      );
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await test.node.kill(sandboxId, 'killed');
      const outcome = await started;
      assert.ok(outcome === 'conflict' || outcome === 'started', String(outcome));
      assert.deepEqual(await findLeftovers(place), {}, `after ${afterMs} ms`);
    }
  });

  it('undoes a start whose caller gives up', async () => {
    const caller = new AbortController();
    const { buildId, resources, templateId } = build;
    const { sandboxId } = await test.node.reserve({ buildId, resources }, signal);
    const spec = { sandboxId, buildId, templateId, resources, teamId: 'team', envVars: {} };
    const started = test.node.start({ ...spec, egress: { allowOut: [], denyOut: [], ports: [] } }, caller.signal);
    setTimeout(() => caller.abort(), 50);
    await assert.rejects(started);
    assert.deepEqual(await findLeftovers(place), {});
  });

  it('refuses what was never reserved, was reserved for another shape, or has no build', async () => {
    const { buildId, resources } = build;
    await assert.rejects(test.node.reserve({ buildId: 'nothing', resources }, signal), { code: 'template_not_found' });
    const { sandboxId } = await test.node.reserve({ buildId, resources }, signal);
    const spec = {
      teamId: 't',
      templateId: 't',
      buildId,
      envVars: {},
      egress: { allowOut: [], denyOut: [], ports: [] },
    };
    const other = { ...resources, memoryMiB: 128 };
    await assert.rejects(test.node.start({ ...spec, sandboxId: 'iunknown', resources }, signal), { code: 'conflict' });
    await assert.rejects(test.node.start({ ...spec, sandboxId, resources: other }, signal), { code: 'conflict' });
    await test.node.kill(sandboxId, 'killed');
  });

  it('tells of a sandbox that was ended from outside, and removes all it had', async () => {
    const { sandboxId } = await test.create(build);
    const deaths: SandboxDied[] = [];
    const stop = test.node.onDeath((death) => deaths.push(death));
    const { processes = [] } = await findLeftovers(place);
    for (const line of processes) process.kill(Number(line.split(' ')[0]), 'SIGKILL');
    await eventually('the death is told', () => deaths.length > 0, 2_000);
    stop();
    assert.equal(deaths[0]?.sandboxId, sandboxId);
    assert.equal(deaths[0]?.reason, 'crashed');
    await eventually('nothing is left', async () => Object.keys(await findLeftovers(place)).length === 0);
  });

  it('reports in the log when a sandbox reaches its memory limit, and the sandbox lives on', async () => {
    const { sandboxId, address } = await test.create(build);
    const hog = `perl -e '$x = "x" x (1024*1024); push @y, $x . $_ for 1..400'`;
    const { exitCode } = await runInGuest(address, hog);
    assert.notEqual(exitCode, 0);
    const query = { limit: 100, direction: 'backward', minimumLevel: 'error' } as const;
    await eventually('it is in the log', async () => (await test.node.logs(sandboxId, query)).length > 0);
    const [line] = await test.node.logs(sandboxId, query);
    assert.equal(line?.logger, 'atoll');
    assert.match(line?.message ?? '', /Out of memory.*256 MiB.*more memory/);
    assert.equal((await runInGuest(address, 'echo alive')).stdout, 'alive\n');
    await test.node.kill(sandboxId, 'killed');
  });

  it('reports in the log when a sandbox has filled its disk', async () => {
    const { sandboxId, address } = await test.create(build);
    const { stdout } = await runInGuest(address, 'dd if=/dev/zero of=/fill bs=1M count=100 2>&1; rm -f /nothing');
    assert.match(stdout, /No space left on device/);
    const query = { limit: 100, direction: 'backward', minimumLevel: 'error' } as const;
    await eventually('it is in the log', async () => (await test.node.logs(sandboxId, query)).length > 0);
    assert.match((await test.node.logs(sandboxId, query))[0]?.message ?? '', /Disk full.*64 MiB/);
    await test.node.kill(sandboxId, 'killed');
  });

  it('samples what a sandbox uses', async () => {
    const { sandboxId, address } = await test.create(build);
    const start = Date.now();
    // Busy for several sampling intervals, however fast the machine is.
    const busy = runInGuest(address, "timeout 3 sh -c 'while :; do :; done'");
    const busySample = async () =>
      (await test.node.metrics(sandboxId, { start, end: Date.now() })).find((sample) => sample.cpuUsedPct > 20);
    await eventually('a sample shows it', async () => (await busySample()) !== undefined);
    const sample = await busySample();
    assert.equal(sample?.cpuCount, 1);
    assert.equal(sample?.memTotal, 256 * 1024 * 1024);
    assert.ok((sample?.memUsed ?? 0) > 1024 * 1024);
    assert.ok((sample?.diskTotal ?? 0) > 32 * 1024 * 1024);
    assert.deepEqual(await test.node.metrics('iunknown', { start: 0, end: Date.now() }), []);
    await busy;
    await test.node.kill(sandboxId, 'killed');
  });

  it('changes the egress policy of a running sandbox', async () => {
    const { sandboxId } = await test.create(build);
    const egress = { allowOut: [], denyOut: ['0.0.0.0/0'], ports: [] };
    await test.node.updateEgress(sandboxId, egress);
    assert.deepEqual((await test.node.inventory())[0]?.spec.egress, egress);
    await test.node.kill(sandboxId, 'killed');
    await assert.rejects(test.node.updateEgress(sandboxId, egress), { code: 'sandbox_not_found' });
  });

  it('describes itself and its builds', async () => {
    const described = await test.node.describe();
    assert.equal(described.nodeId, place.instance);
    assert.equal(described.runtime, 'gvisor');
    assert.ok(described.memoryTotalBytes > 0 && described.disks[0] !== undefined && described.createSuccesses > 0);
    assert.deepEqual(await test.node.builds(), [build]);
  });
});
