import { readdir } from 'node:fs/promises';
import { AtollError } from '@atoll/contract';
import { runCommand } from './command.ts';
import { GATEWAY_ADDRESS, GUEST_MAC, HOST_MAC, NAMESPACE_DIRECTORY, type SlotLayout } from './slot-layout.ts';
import type { Slot } from './slots.ts';

/**
 * Namespaces and veth pairs, made and removed many at a time: a batch in one `ip` process costs a tenth of one process
 * for each step.
 *
 * Guests have a /32 address and a route to the gateway through the link, so that each costs one address of the range.
 * Hardware addresses are fixed and the host's entry for the guest is permanent: while a runtime takes the link over,
 * an ARP request would be lost and be repeated only after a second.
 */

/** Made, but not up: nothing passes before {@link raiseLinks}. */
export async function addLinks(layout: SlotLayout, slots: readonly Slot[]): Promise<void> {
  const lines = slots.flatMap((slot) => {
    const namespace = layout.namespaceName(slot.index);
    const host = slot.hostInterface;
    return [
      `netns add ${namespace}`,
      `link add ${host} address ${HOST_MAC} group ${layout.group} type veth peer name eth0 address ${GUEST_MAC} netns ${namespace}`,
      `address add ${GATEWAY_ADDRESS}/32 dev ${host} scope link`,
    ];
  });
  await runBatch(lines);
}

/** Brings both ends up with their addresses and routes. */
export async function raiseLinks(layout: SlotLayout, slots: readonly Slot[]): Promise<void> {
  const lines = slots.flatMap((slot) => [
    `link set ${slot.hostInterface} addrgenmode none up`,
    `route replace ${slot.address}/32 dev ${slot.hostInterface} src ${layout.hostAddress}`,
    `neighbour replace ${slot.address} lladdr ${GUEST_MAC} dev ${slot.hostInterface} nud permanent`,
  ]);
  await Promise.all([runBatch(lines), configureGuestEnds(layout, slots)]);
}

/** Puts address and routes on the guest's end; what is there already stays. */
export async function configureGuestEnd(layout: SlotLayout, slot: Slot): Promise<void> {
  await runCommand(
    'ip',
    ['-n', layout.namespaceName(slot.index), '-batch', '-'],
    guestEndBatch(slot.address, slot.gateway),
  );
}

/** Removes the veth pairs and namespaces that exist of these slots. */
export async function removeLinks(layout: SlotLayout, slots: readonly Slot[]): Promise<void> {
  const found = await findLinks(layout);
  const links = slots.filter(({ index }) => found.interfaces.has(index));
  const namespaces = slots.filter(({ index }) => found.namespaces.has(index));
  await runBatch([
    // The pairs go first: with their namespaces they would go some time later, and their names with them. As a group,
    // because the kernel waits some 30 ms for each deletion, of one link or of a whole group.
    ...links.map(({ hostInterface }) => `link set ${hostInterface} group ${layout.leavingGroup}`),
    ...(links.length > 0 ? [`link delete group ${layout.leavingGroup}`] : []),
    ...namespaces.map(({ index }) => `netns delete ${layout.namespaceName(index)}`),
  ]);
}

/** Indexes of the instance's namespaces and host interfaces on this machine. */
export async function findLinks(layout: SlotLayout): Promise<{ namespaces: Set<number>; interfaces: Set<number> }> {
  const [namespaces, interfaces] = await Promise.all([namesIn(NAMESPACE_DIRECTORY), namesIn('/sys/class/net')]);
  return {
    namespaces: new Set(namespaces.flatMap((name) => layout.indexOfNamespace(name) ?? [])),
    interfaces: new Set(interfaces.flatMap((name) => layout.indexOfInterface(name) ?? [])),
  };
}

/**
 * The address that guests see as the host, and the resolver's. On the loopback interface it is there before the first
 * slot and needs no kernel module. Throws `invalid_request` when another instance has it.
 */
export async function addHostAddress(layout: SlotLayout): Promise<void> {
  const { hostAddress, hostAddressLabel } = layout;
  const present = await runCommand('ip', ['-oneline', 'address', 'show', 'to', hostAddress]);
  if (isOwnAddress(layout, present)) return;
  if (present !== '') {
    throw new AtollError(
      'invalid_request',
      `The address ${hostAddress} is in use on this host; give this instance a range of guest addresses of its own.`,
    );
  }
  await runCommand('ip', [
    'address',
    'add',
    `${hostAddress}/32`,
    'dev',
    'lo',
    'scope',
    'link',
    'label',
    hostAddressLabel,
  ]);
}

/** Not an error when it is gone. */
export async function removeHostAddress(layout: SlotLayout): Promise<void> {
  const present = await runCommand('ip', ['-oneline', 'address', 'show', 'to', layout.hostAddress]);
  if (!isOwnAddress(layout, present)) return;
  await runCommand('ip', ['address', 'delete', `${layout.hostAddress}/32`, 'dev', 'lo']);
}

/** Whether a line of `ip -oneline address` is about our address: the label is its last word. */
function isOwnAddress(layout: SlotLayout, listing: string): boolean {
  return listing.includes(` ${layout.hostAddressLabel}\\`);
}

/**
 * Reads "namespace address gateway" lines and runs an `ip` for each. A shell, because it forks such small processes
 * several times faster than a server with a large heap does. The text is constant and its input is made of our own
 * names and addresses only.
 */
const CONFIGURE_GUEST_ENDS = `
set -e
while read -r namespace address gateway; do
  ip -n "$namespace" -batch - <<BATCH
${guestEndBatch('$address', '$gateway')}
BATCH
done
`;

async function configureGuestEnds(layout: SlotLayout, slots: readonly Slot[]): Promise<void> {
  const input = slots.map((slot) => `${layout.namespaceName(slot.index)} ${slot.address} ${slot.gateway}\n`).join('');
  await runCommand('sh', ['-c', CONFIGURE_GUEST_ENDS], input);
}

/** IPv6 gets no address: nothing of it would pass. */
function guestEndBatch(address: string, gateway: string): string {
  return [
    'link set lo up',
    'link set eth0 addrgenmode none up',
    `address replace ${address}/32 dev eth0`,
    `route replace ${gateway} dev eth0 scope link`,
    `route replace default via ${gateway} dev eth0`,
  ].join('\n');
}

async function runBatch(lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runCommand('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    // The folder of named namespaces exists only once there was one.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
