import { Agent, type RequestOptions, request } from 'node:http';

/** One measured request; gives its milliseconds and the bytes received. */
export async function timed(
  options: RequestOptions,
  body?: (write: (chunk: Buffer) => Promise<void>) => Promise<void>,
) {
  const started = performance.now();
  return await new Promise<{ milliseconds: number; bytes: number }>((resolve, reject) => {
    const client = request(options, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => resolve({ milliseconds: performance.now() - started, bytes }));
      response.on('error', reject);
    });
    client.on('error', reject);
    if (body === undefined) {
      client.end();
      return;
    }
    const write = (chunk: Buffer): Promise<void> =>
      new Promise((go) => (client.write(chunk) ? go() : client.once('drain', go)));
    body(write).then(() => client.end(), reject);
  });
}

/** The value below which the given share of the sorted numbers lies. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Latencies of small requests, one after the other on one connection. */
export async function latency(options: RequestOptions, count: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let i = 0; i < count + 200; i += 1) {
    const { milliseconds } = await timed({ ...options, agent });
    if (i >= 200) times.push(milliseconds);
  }
  agent.destroy();
  times.sort((a, b) => a - b);
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), p99: percentile(times, 0.99) };
}
