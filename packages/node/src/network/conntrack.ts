import { coverWithCidrs, mergeRanges, parseAddress } from './cidr.ts';
import { runCommand } from './command.ts';

/**
 * Forgets the connections of guests that are gone: the kernel would keep an established one for five days. Each command
 * walks the whole table (10 ms on a host with many buckets), hence one for each run of neighbouring addresses.
 */
export async function forgetConnections(addresses: readonly string[]): Promise<void> {
  const ranges = addresses.map(parseAddress).map((address) => ({ first: address, last: address }));
  const commands = mergeRanges(ranges)
    .flatMap(coverWithCidrs)
    .flatMap((cidr) => [`-D -f ipv4 -s ${cidr}`, `-D -f ipv4 -d ${cidr}`]);
  // Through cat, because conntrack opens /dev/stdin, which Linux refuses for the socket that Node gives a child.
  if (commands.length > 0) await runCommand('sh', ['-c', 'cat | conntrack -R -'], `${commands.join('\n')}\n`);
}
