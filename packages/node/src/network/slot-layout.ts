import { AtollError } from '@atoll/contract';
import { type AddressRange, formatAddress, parseCidr } from './cidr.ts';
import type { Slot } from './slots.ts';

/** Where `ip netns` keeps named namespaces. */
export const NAMESPACE_DIRECTORY = '/run/netns';

/**
 * The gateway and name server of every guest, on every host. One address for all means that what a memory snapshot
 * remembers (routes, neighbours, a resolver's settings read at start) is still true wherever it is restored.
 * Link-local, so that it can collide with nothing a guest wants to reach.
 */
export const GATEWAY_ADDRESS = '169.254.111.1';

/** The two ends of every veth pair. The same everywhere, for the reason given at {@link GATEWAY_ADDRESS}. */
export const GUEST_MAC = '02:a7:01:00:00:01';
export const HOST_MAC = '02:a7:01:00:00:02';

/** Linux's limit for interface names, without the closing NUL. */
const INTERFACE_NAME_MAX = 15;

/** Network, name server and broadcast address are not guests'. */
const RESERVED_ADDRESSES = 3;

/** Every name, number and address of one instance; all derive from its name and its CIDR. */
export interface SlotLayout {
  readonly instance: string;
  /** Range of the guests' addresses. */
  readonly range: AddressRange;
  /** Indexes go from 0 to one less than this. */
  readonly capacity: number;
  /** nftables table (family inet). */
  readonly table: string;
  /** Interface group of the host ends: lets rules tell our interfaces from all others by one number. */
  readonly group: number;
  /** Interface group of the host ends that are being removed. */
  readonly leavingGroup: number;
  /** Address of the host towards its guests and of the resolver; label of it on the loopback interface. */
  readonly hostAddress: string;
  readonly hostAddressLabel: string;
  slot(index: number): Slot;
  namespaceName(index: number): string;
  /** The index in the name of a namespace or host interface of this instance; undefined for any other name. */
  indexOfNamespace(name: string): number | undefined;
  indexOfInterface(name: string): number | undefined;
}

/** Lays the names of an instance out. Throws `invalid_request` when the name or the range cannot serve. */
export function layOutSlots(instance: string, cidr: string): SlotLayout {
  if (!/^[a-z0-9]{1,8}$/.test(instance)) {
    throw new AtollError('invalid_request', `The instance name "${instance}" is not 1 to 8 of a-z and 0-9.`);
  }
  const range = parseCidr(cidr);
  const largestIndex = 10 ** (INTERFACE_NAME_MAX - instance.length - 1) - 1;
  const capacity = Math.min(range.last - range.first + 1 - RESERVED_ADDRESSES, largestIndex);
  if (capacity < 1) {
    throw new AtollError('invalid_request', `The guests' range ${cidr} is too small: it must be at least a /30.`);
  }
  const indexIn = (name: string, prefix: string): number | undefined => {
    const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    const index = /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : capacity;
    return index < capacity ? index : undefined;
  };
  return {
    instance,
    range,
    capacity,
    table: `atoll_${instance}`,
    group: interfaceGroup(instance),
    leavingGroup: interfaceGroup(instance) + 1,
    hostAddress: formatAddress(range.first + 1),
    hostAddressLabel: `lo:${instance}dns`,
    slot: (index) => ({
      index,
      namespacePath: `${NAMESPACE_DIRECTORY}/${instance}-${index}`,
      hostInterface: `${instance}h${index}`,
      address: formatAddress(range.first + 2 + index),
      gateway: GATEWAY_ADDRESS,
    }),
    namespaceName: (index) => `${instance}-${index}`,
    indexOfNamespace: (name) => indexIn(name, `${instance}-`),
    indexOfInterface: (name) => indexIn(name, `${instance}h`),
  };
}

/** FNV-1a of the name: even, positive, and off the groups below 2^16 that people number by hand. */
function interfaceGroup(instance: string): number {
  let hash = 0x811c9dc5;
  for (const character of instance) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return ((hash >>> 1) & ~1) | 0x10000;
}
