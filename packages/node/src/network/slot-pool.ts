import type { EgressPolicy } from '@atoll/contract';
import type { Logger } from 'pino';
import { guardNetwork } from './egress-rules.ts';
import { openFirewall } from './firewall.ts';
import { baseRules } from './firewall-rules.ts';
import { enableForwarding, explainForwarding } from './forwarding.ts';
import { HostSlotPool } from './host-slot-pool.ts';
import { addHostAddress } from './links.ts';
import { openResolver, RESOLVER_PORT } from './resolver.ts';
import { layOutSlots } from './slot-layout.ts';
import type { SlotPool } from './slots.ts';

export interface SlotPoolOptions {
  /** `^[a-z0-9]{1,8}$`, the prefix of every name on the host. */
  readonly instance: string;
  /** IPv4 range of the guests' addresses, one for each guest. Ranges of instances on one host must not overlap. */
  readonly cidr: string;
  /** How many unused slots are kept ready; 0 for none. */
  readonly poolSize: number;
  /** Ports of the host that stay closed even where a setting and a policy open the host's address. */
  readonly protectedPorts: readonly number[];
  /** Protected CIDRs that a policy's `allowOut` may open. */
  readonly allowedPrivate: readonly string[];
  /** Resolvers that the instance's DNS asks. Default: those of the host, read again as they change. */
  readonly upstreamResolvers?: readonly string[];
  readonly logger: Logger;
}

/** Makes the instance's table, resolver and first slots. What an earlier process left is untouched: adopt or reap it. */
export async function openSlotPool(options: SlotPoolOptions): Promise<SlotPool> {
  const layout = layOutSlots(options.instance, options.cidr);
  const guard = guardNetwork(layout.range, options.allowedPrivate);
  const firewall = openFirewall(layout);
  const endpoint = { address: layout.hostAddress, port: RESOLVER_PORT };
  const policies = new Map<string, EgressPolicy>();
  const { logger, poolSize, protectedPorts, upstreamResolvers } = options;
  // 1. The resolver's address and the resolver: also what keeps a second process of the instance out.
  await addHostAddress(layout);
  const resolver = await openResolver({
    ...endpoint,
    policyOf: (address) => policies.get(address),
    guard,
    logger,
    ...(upstreamResolvers === undefined ? {} : { upstreamResolvers }),
  });
  const pool = new HostSlotPool({ layout, guard, firewall, resolver, policies, poolSize, logger });
  try {
    // 2. The rules, in place before any guest.
    await firewall.apply(baseRules({ layout, cidr: options.cidr, guard, protectedPorts, resolver: endpoint }));
    // 3. The way out.
    await enableForwarding(layout);
    for (const finding of await explainForwarding()) logger.warn(finding);
    // 4. The slots.
    await pool.scan();
  } catch (error) {
    await pool.close({ remove: false });
    throw error;
  }
  pool.refill();
  return pool;
}
