import { runCommand } from './command.ts';
import type { Slot } from './slots.ts';

/**
 * Forgets the connections of guests that are gone. The kernel would keep an established one for five days, and let its
 * answers in to whoever gets the address next.
 */
export async function forgetConnections(slots: readonly Slot[]): Promise<void> {
  const commands = slots.flatMap(({ address }) => [`-D -f ipv4 -s ${address}`, `-D -f ipv4 -d ${address}`]);
  // Through cat, because conntrack opens /dev/stdin, which Linux refuses for the socket that Node gives a child.
  await runCommand('sh', ['-c', 'cat | conntrack -R -'], `${commands.join('\n')}\n`);
}
