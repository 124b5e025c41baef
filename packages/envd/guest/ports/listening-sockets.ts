import { readFileSync } from 'node:fs';

/** A port on which something listens, and on which addresses. */
export interface ListeningPort {
  readonly port: number;
  /** Where the loopback listener can be reached; undefined when there is none. */
  readonly loopback: '127.0.0.1' | '::1' | undefined;
  /** True when something listens on other addresses too, ourselves included. */
  readonly isExternal: boolean;
}

const LISTEN = '0A';
const LOOPBACK_V6 = '00000000000000000000000001000000';

/** Reads the kernel's tables of TCP sockets. */
export function listeningPorts(): ListeningPort[] {
  const ports = new Map<number, ListeningPort>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const { address, port } of listeners(readTable(file))) {
      const before = ports.get(port);
      const loopback = loopbackOf(address);
      ports.set(port, {
        port,
        loopback: before?.loopback ?? loopback,
        isExternal: (before?.isExternal ?? false) || loopback === undefined,
      });
    }
  }
  return [...ports.values()];
}

/** Lines are `sl local_address rem_address st …`; addresses are hexadecimal in the machine's byte order. */
function* listeners(table: string): Generator<{ address: string; port: number }> {
  for (const [, address = '', port = ''] of table.matchAll(
    new RegExp(`^\\s*\\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ${LISTEN} `, 'gm'),
  )) {
    yield { address, port: Number.parseInt(port, 16) };
  }
}

function loopbackOf(address: string): ListeningPort['loopback'] {
  if (address === LOOPBACK_V6) return '::1';
  // 127.0.0.1 in little-endian order. The other addresses of 127/8 are not what "localhost" means.
  return address === '0100007F' ? '127.0.0.1' : undefined;
}

function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // A kernel without IPv6.
    return '';
  }
}
