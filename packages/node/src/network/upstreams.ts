import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';

const RESOLV_CONF = '/etc/resolv.conf';

/** The file is read again when it was last read so long ago. */
const MAX_AGE_MS = 5_000;

/**
 * The host's own resolvers, read freshly because networks change under a running host. Loopback ones are kept: it is the
 * host that asks them, not the guest. IPv6 ones are left out.
 */
export function hostResolvers(): () => Promise<readonly string[]> {
  let readAt = Number.NEGATIVE_INFINITY;
  let resolvers: readonly string[] = [];
  return async () => {
    if (performance.now() - readAt > MAX_AGE_MS) {
      resolvers = parseResolvConf(await readFile(RESOLV_CONF, 'utf8').catch(() => ''));
      readAt = performance.now();
    }
    return resolvers;
  };
}

/** The IPv4 name servers of a resolv.conf(5); the local machine when it names none, as that page says. */
export function parseResolvConf(text: string): readonly string[] {
  const named = [...text.matchAll(/^nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
  return named.length === 0 ? ['127.0.0.1'] : named.filter((address) => isIPv4(address));
}
