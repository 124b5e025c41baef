import { type AddressRange, formatRange } from './cidr.ts';
import type { EgressRules, NetworkGuard } from './egress-rules.ts';
import { GATEWAY_ADDRESS, type SlotLayout } from './slot-layout.ts';
import type { Slot } from './slots.ts';

/**
 * The text that goes to `nft -f -`. One table for an instance:
 *
 * - `slots` says which guest address may come from which interface; nothing else passes `arrival`.
 * - `policies` sends an interface to its own chain; interfaces without an entry have the default policy.
 * - `openings` does the same for the host's own addresses, for policies that a setting lets open one.
 *
 * Guests' packets are judged one by one in both directions and by the connection's destination, established or not. So
 * replacing a chain cuts the connections it forbids in the same transaction, and needs no search for them.
 */

/**
 * Connections a guest may have in the kernel's table at once; more are refused. The table is one for the whole host (some
 * 260,000 entries by default), and whoever fills it keeps everybody from opening new ones.
 */
const MAX_CONNECTIONS_PER_GUEST = 8_192;

/** Where the DNS resolver of the instance listens. */
export interface ResolverEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What the base rules are made from. */
export interface FirewallSettings {
  readonly layout: SlotLayout;
  readonly cidr: string;
  readonly guard: NetworkGuard;
  readonly protectedPorts: readonly number[];
  readonly resolver: ResolverEndpoint;
}

/** Declares the table and replaces its base chains. Slots and policies that are in it already stay in force. */
export function baseRules(settings: FirewallSettings): string {
  const { layout, guard, resolver } = settings;
  const { table } = layout;
  // A pair on its way out is still ours: what it has under way must not pass for a stranger's.
  const ours = `{ ${layout.group}, ${layout.leavingGroup} }`;
  const ports = [...new Set(settings.protectedPorts)].join(', ');
  return `
table inet ${table} {
  set slots { type ifname . ipv4_addr; }
  map policies { type ifname : verdict; }
  map openings { type ifname : verdict; }
  set protected { type ipv4_addr; flags interval; }
  set protected_ports { type inet_service; }
  set connections { type ipv4_addr; size 65535; flags dynamic; }
  chain refuse { }
  chain default_policy { }
  chain from_guest { }
  chain to_guest { }
  chain arrival { type filter hook prerouting priority raw; policy accept; }
  chain forwarding { type filter hook forward priority filter; policy accept; }
  chain to_host { type filter hook input priority filter; policy accept; }
  chain names { type nat hook prerouting priority dstnat; policy accept; }
  chain leaving { type nat hook postrouting priority srcnat; policy accept; }
}
${['refuse', 'default_policy', 'from_guest', 'to_guest', 'arrival', 'forwarding', 'to_host', 'names', 'leaving']
  .map((chain) => `flush chain inet ${table} ${chain}`)
  .join('\n')}
flush set inet ${table} protected
flush set inet ${table} protected_ports
add element inet ${table} protected { ${formatRanges(guard.protectedRanges)} }
${ports === '' ? '' : `add element inet ${table} protected_ports { ${ports} }`}
table inet ${table} {
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }
  chain default_policy {
    ct original ip daddr @protected goto refuse
    accept
  }
  chain arrival {
    meta iifgroup != ${ours} accept
    meta nfproto ipv6 drop
    iifname . ip saddr != @slots drop
  }
  chain from_guest {
    ct state invalid,untracked drop
    ct state new add @connections { ip saddr ct count over ${MAX_CONNECTIONS_PER_GUEST} } goto refuse
    iifname vmap @policies
    goto default_policy
  }
  chain to_guest {
    ct state != { established, related } goto refuse
    ct direction original goto refuse
    oifname vmap @policies
    goto default_policy
  }
  chain forwarding {
    meta oifgroup ${ours} goto to_guest
    meta iifgroup ${ours} goto from_guest
  }
  chain to_host {
    meta iifgroup != ${ours} accept
    ct state invalid,untracked drop
    ct direction reply accept
    ct state new add @connections { ip saddr ct count over ${MAX_CONNECTIONS_PER_GUEST} } goto refuse
    ip daddr ${resolver.address} meta l4proto { tcp, udp } th dport ${resolver.port} accept
    tcp dport @protected_ports goto refuse
    udp dport @protected_ports goto refuse
    iifname vmap @openings
    goto refuse
  }
  chain names {
    meta iifgroup ${ours} ip daddr ${GATEWAY_ADDRESS} meta l4proto { tcp, udp } th dport 53 dnat ip to ${resolver.address}:${resolver.port}
  }
  chain leaving {
    ip saddr ${settings.cidr} meta oifgroup != ${ours} oifname != "lo" masquerade
  }
}
`;
}

/** Lets a slot's address in by its interface, with the default policy. Without effect on one that is in already. */
export function claimSlot(layout: SlotLayout, slot: Slot): string {
  return `add element inet ${layout.table} slots { "${slot.hostInterface}" . ${slot.address} }\n`;
}

/** Puts a policy of its own in force for a slot, in place of what it had. */
export function enforcePolicy(layout: SlotLayout, slot: Slot, rules: EgressRules): string {
  const { table } = layout;
  const policy = `policy_${slot.index}`;
  const opening = `opening_${slot.index}`;
  const closed = (['tcp', 'udp'] as const)
    .filter((protocol) => rules.closedPorts[protocol].length > 0)
    .flatMap((protocol) => {
      const ports = rules.closedPorts[protocol].join(', ');
      return [
        `ct direction original ${protocol} dport { ${ports} } goto refuse`,
        `ct direction reply ${protocol} sport { ${ports} } goto refuse`,
      ];
    });
  const policyRules = [
    ...closed,
    ...matchDestination(rules.opened, 'accept'),
    'ct original ip daddr @protected goto refuse',
    ...matchDestination(rules.allowed, 'accept'),
    ...matchDestination(rules.denied, 'goto refuse'),
    'accept',
  ];
  const openingRules = [...closed, ...matchDestination(rules.opened, 'accept'), 'goto refuse'];
  return [
    replaceChain(table, policy, policyRules),
    `add element inet ${table} policies { "${slot.hostInterface}" : goto ${policy} }`,
    replaceChain(table, opening, openingRules),
    `add element inet ${table} openings { "${slot.hostInterface}" : goto ${opening} }`,
    '',
  ].join('\n');
}

/** Takes a slot's own policy away, which leaves it the default one. Not an error when it has none. */
export function dropPolicy(layout: SlotLayout, slot: Slot): string {
  const { table } = layout;
  const maps = [
    ['policies', `policy_${slot.index}`],
    ['openings', `opening_${slot.index}`],
  ] as const;
  // Adding first makes the deletion valid whether or not it was there; nothing of it shows outside the transaction.
  return maps
    .flatMap(([map, chain]) => [
      `add chain inet ${table} ${chain}`,
      `add element inet ${table} ${map} { "${slot.hostInterface}" : goto ${chain} }`,
      `delete element inet ${table} ${map} { "${slot.hostInterface}" }`,
      `flush chain inet ${table} ${chain}`,
      `delete chain inet ${table} ${chain}`,
      '',
    ])
    .join('\n');
}

/** Closes a slot's interface to every packet. Not an error when it is closed already. */
export function unclaimSlot(layout: SlotLayout, slot: Slot): string {
  const element = `element inet ${layout.table} slots { "${slot.hostInterface}" . ${slot.address} }`;
  return `add ${element}\ndelete ${element}\n`;
}

function replaceChain(table: string, chain: string, rules: readonly string[]): string {
  return [
    `add chain inet ${table} ${chain}`,
    `flush chain inet ${table} ${chain}`,
    ...rules.map((rule) => `add rule inet ${table} ${chain} ${rule}`),
  ].join('\n');
}

function matchDestination(ranges: readonly AddressRange[], verdict: string): string[] {
  return ranges.length === 0 ? [] : [`ct original ip daddr { ${formatRanges(ranges)} } ${verdict}`];
}

function formatRanges(ranges: readonly AddressRange[]): string {
  return ranges.map(formatRange).join(', ');
}
