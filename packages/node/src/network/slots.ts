import type { EgressPolicy } from '@atoll/contract';

/** A network place for one sandbox: namespace, veth pair, address, firewall set. */
export interface Slot {
  /** Names everything of the slot; unique within the instance. */
  readonly index: number;
  /** Path of the network namespace, for the runtime. */
  readonly namespacePath: string;
  /** Name of the veth's end on the host. */
  readonly hostInterface: string;
  /** The guest's IPv4 address and its gateway (which also answers DNS). */
  readonly address: string;
  readonly gateway: string;
}

/** The pre-made slots of one instance. Names and addresses derive from the index alone, so a restart finds them again. */
export interface SlotPool {
  /** A slot with {@link DEFAULT_EGRESS} in force, its interface ready for a guest to start. */
  acquire(): Promise<Slot>;
  /** Puts address and route back on the guest's end (a runtime takes them off); before a second start in the same slot. */
  prepareForStart(slot: Slot): Promise<void>;
  /** Replaces the policy atomically and cuts the connections it forbids. */
  applyEgress(slot: Slot, egress: EgressPolicy): Promise<void>;
  /** Ends the slot: rules, connections, interfaces and namespace are gone afterwards. Repeating it is not an error. */
  release(index: number): Promise<void>;
  /** Takes a slot over that an earlier process made and that still serves a guest. */
  adopt(index: number, egress: EgressPolicy): Promise<Slot>;
  /** Removes every slot of the instance that is not in `keep`. Returns what was removed. */
  reap(keep: ReadonlySet<number>): Promise<readonly number[]>;
  /** Stops the DNS resolver and background refills; with `remove` also every slot, table and host-wide rule of the instance. */
  close(options: { remove: boolean }): Promise<void>;
}
