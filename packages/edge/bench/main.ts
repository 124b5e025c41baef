/**
 * What the edge costs: latency it adds to a small request, and throughput of one stream up and down, against the same
 * stand-in guest asked directly. Guest, edge and client are three processes, as in real life.
 * Run: `node packages/edge/bench/main.ts`
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { latency, timed } from './client.ts';

const GUEST = { host: '127.0.0.2', port: 18_080 };
const EDGE_PORT = 18_002;
const SMALL_REQUESTS = 3_000;
const STREAM_BYTES = 2_000_000_000;

async function start(file: string, ...args: string[]): Promise<ChildProcess> {
  const child = fork(new URL(file, import.meta.url), args);
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended before it was ready`))),
  ]);
  return child;
}

async function download(to: object): Promise<number> {
  const { milliseconds, bytes } = await timed({ ...to, path: `/?bytes=${STREAM_BYTES}`, agent: false });
  return bytes / 1e6 / (milliseconds / 1e3);
}

async function upload(to: object): Promise<number> {
  const block = Buffer.alloc(256 * 1024);
  const count = Math.floor(STREAM_BYTES / block.length);
  const headers = { ...(to as { headers?: object }).headers, 'Content-Length': count * block.length };
  const { milliseconds } = await timed({ ...to, method: 'POST', headers, agent: false }, async (write) => {
    for (let i = 0; i < count; i += 1) await write(block);
  });
  return (count * block.length) / 1e6 / (milliseconds / 1e3);
}

const guest = await start('./guest.ts', GUEST.host, String(GUEST.port));
const edge = await start('./edge-process.ts', GUEST.host, String(EDGE_PORT));
try {
  const throughEdge = {
    host: '127.0.0.1',
    port: EDGE_PORT,
    headers: { 'E2b-Sandbox-Id': 'ibench', 'E2b-Sandbox-Port': String(GUEST.port) },
  };
  console.log(`machine: ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`);
  for (const [name, to] of [
    ['direct', GUEST],
    ['edge', throughEdge],
  ] as const) {
    const { p50, p95, p99 } = await latency(to, SMALL_REQUESTS);
    const [down, up] = [await download(to), await upload(to)];
    console.log(
      `${name.padEnd(7)} small request p50 ${p50.toFixed(3)} ms  p95 ${p95.toFixed(3)} ms  p99 ${p99.toFixed(3)} ms` +
        `   one stream down ${down.toFixed(0)} MB/s  up ${up.toFixed(0)} MB/s   (n=${SMALL_REQUESTS})`,
    );
  }
} finally {
  guest.kill();
  edge.kill();
}
