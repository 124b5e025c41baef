import { createServer } from 'node:net';
import type { Settings } from '../settings/schema.ts';

/** The settings with a number for every port: 0 becomes one that is free now. Firewall rules name ports before they are opened. */
export async function resolvePorts(settings: Settings): Promise<Settings> {
  const resolved: Settings = { ...settings };
  for (const name of ['apiPort', 'edgePort', 'tlsPort', 'dnsPort'] as const) {
    if (settings[name] === 0) resolved[name] = await freePort(settings.host);
  }
  return resolved;
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
