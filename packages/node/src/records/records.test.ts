import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { SandboxMetric } from '@atoll/contract';
import { isDiskFull } from './disk-fullness.ts';
import { MetricSeries, thinOut } from './metric-series.ts';
import { SandboxLog, selectEntries } from './sandbox-log.ts';
import { SegmentedLog } from './segmented-log.ts';

describe('what a node records of its sandboxes', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-records-'));
  });
  after(() => rm(directory, { recursive: true }));

  it('keeps the newest lines within a bound', async () => {
    const folder = join(directory, 'bounded');
    const log = new SegmentedLog<{ n: number }>(folder, { segmentBytes: 100, maxSegments: 3 });
    for (let n = 0; n < 200; n += 1) await log.append([{ n }]);
    assert.ok((await readdir(folder)).length <= 3);
    const kept = await log.read();
    assert.equal(kept.at(-1)?.n, 199);
    assert.ok(kept.length >= 15 && kept.length < 60);
    assert.deepEqual(
      kept,
      kept.toSorted((a, b) => a.n - b.n),
    );
  });

  it('goes on after a crash in the middle of a line', async () => {
    const folder = join(directory, 'crashed');
    const bounds = { segmentBytes: 10_000, maxSegments: 2 };
    await new SegmentedLog<{ n: number }>(folder, bounds).append([{ n: 1 }]);
    await appendFile(join(folder, '00000000.jsonl'), '{"n":');
    const next = new SegmentedLog<{ n: number }>(folder, bounds);
    await next.append([{ n: 2 }]);
    assert.deepEqual(await next.read(), [{ n: 1 }, { n: 2 }]);
  });

  it('writes nothing after it was closed, so that its folder stays deleted', async () => {
    const folder = join(directory, 'closed');
    const log = new SegmentedLog<{ n: number }>(folder, { segmentBytes: 100, maxSegments: 2 });
    await log.append([{ n: 1 }]);
    await log.close();
    await rm(folder, { recursive: true });
    await log.append([{ n: 2 }]);
    await assert.rejects(readdir(folder), { code: 'ENOENT' });
  });

  it("takes envd's pages over once, also across a restart", async () => {
    const page = (from: number, next: number) => {
      const entries = [];
      for (let n = from; n < next; n += 1) {
        entries.push({ timestamp: n, level: 'info', logger: 'process', message: `line ${n}`, fields: { n } });
      }
      return JSON.stringify({ entries, next });
    };
    const first = new SandboxLog(directory, 'isandbox');
    assert.equal(await first.envdCursor(), 0);
    await first.addEnvdPage(page(-2, 3), 0);
    assert.equal(await first.envdCursor(), 3);
    await first.close();
    const second = new SandboxLog(directory, 'isandbox');
    assert.equal(await second.envdCursor(), 3);
    await second.addEnvdPage(page(3, 5), 0);
    await second.report('error', 'ours');
    const lines = await second.query({ limit: 10, direction: 'forward' });
    assert.deepEqual(
      lines.map((line) => line.message),
      ['line 0', 'line 1', 'line 2', 'line 3', 'line 4', 'ours'],
    );
    assert.deepEqual(lines[0]?.fields, { n: '0' });
  });

  it('refuses a page that is none: the guest may send anything', async () => {
    const log = new SandboxLog(directory, 'ihostile');
    await assert.rejects(log.addEnvdPage('nonsense', 0));
    await assert.rejects(log.addEnvdPage('{"entries":[{"message":5}],"next":1}', 0));
    await assert.rejects(log.addEnvdPage('{"entries":[],"next":"no"}', 0));
    assert.deepEqual(await log.query({ limit: 10, direction: 'forward' }), []);
  });

  it('selects log lines by time, level, text and direction', () => {
    const line = (timestamp: number, level: 'debug' | 'info' | 'error', message: string) => {
      return { timestamp, level, logger: 'x', message, fields: {} };
    };
    const lines = [line(1, 'debug', 'a'), line(2, 'info', 'b'), line(3, 'error', 'ab'), line(4, 'info', 'c')];
    const messages = (query: Parameters<typeof selectEntries>[1]) =>
      selectEntries(lines, query)
        .map((entry) => entry.message)
        .join(' ');
    assert.equal(messages({ limit: 10, direction: 'forward' }), 'a b ab c');
    assert.equal(messages({ limit: 2, direction: 'backward' }), 'c ab');
    assert.equal(messages({ limit: 10, direction: 'forward', cursor: 3 }), 'ab c');
    assert.equal(messages({ limit: 10, direction: 'backward', cursor: 3 }), 'ab b a');
    assert.equal(messages({ limit: 10, direction: 'forward', minimumLevel: 'info' }), 'b ab c');
    assert.equal(messages({ limit: 10, direction: 'forward', search: 'a' }), 'a ab');
    assert.equal(messages({ limit: 10, direction: 'forward', search: 'A' }), '');
  });

  it('thins samples out by the length of the range', () => {
    const samples = Array.from({ length: 2 * 720 }, (_, n) => sampleAt(n * 5_000));
    assert.equal(thinOut(samples, { start: 0, end: 3_599_000 }).length, 720);
    const twoHours = thinOut(samples, { start: 0, end: 2 * 3_600_000 });
    assert.equal(twoHours.length, 240);
    assert.deepEqual(
      twoHours.slice(0, 3).map((sample) => sample.timestamp),
      [0, 30_000, 60_000],
    );
  });

  it('answers from samples a minute apart where the finer ones are gone', async () => {
    const series = new MetricSeries(join(directory, 'series'));
    const hours = 12;
    for (let at = 0; at < hours * 3_600_000; at += 5_000) await series.add(sampleAt(at));
    const day = await series.between({ start: 0, end: hours * 3_600_000 });
    assert.ok(day.length > 300 && day.length < 400, String(day.length));
    assert.equal(day[0]?.timestamp, 0);
    assert.equal((await series.between({ start: hours * 3_600_000 - 60_001, end: hours * 3_600_000 })).length, 12);
    assert.equal((await new MetricSeries(join(directory, 'series')).latest())?.timestamp, hours * 3_600_000 - 5_000);
  });

  it('calls a disk full when next to nothing fits any more', () => {
    const MIB = 1024 * 1024;
    assert.equal(isDiskFull({ usedBytes: 58 * MIB, totalBytes: 60 * MIB }), true);
    assert.equal(isDiskFull({ usedBytes: 10 * MIB, totalBytes: 30 * MIB }), false);
    assert.equal(isDiskFull({ usedBytes: 9_800 * MIB, totalBytes: 10_000 * MIB }), false);
    assert.equal(isDiskFull({ usedBytes: 9_990 * MIB, totalBytes: 10_000 * MIB }), true);
  });
});

function sampleAt(timestamp: number): SandboxMetric {
  const sizes = { memUsed: 1, memTotal: 2, memCache: 0, diskUsed: 1, diskTotal: 2 };
  return { timestamp, cpuCount: 2, cpuUsedPct: 1, ...sizes };
}
