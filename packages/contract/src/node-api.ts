import type { PortRule } from './routes.ts';

/** CPU in cores, memory and disk in MiB. */
export interface Resources {
  readonly cpuCount: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
}

/**
 * What a sandbox may reach. Addresses and CIDRs only, normalised ("1.2.3.4/32").
 * Allow beats deny; ranges the node always protects (host, private, link-local, metadata, other sandboxes) are opened
 * by an `allowOut` entry only where the node's own settings permit it.
 */
export interface EgressPolicy {
  readonly allowOut: readonly string[];
  readonly denyOut: readonly string[];
  /** Outbound rules by destination port; deny wins. */
  readonly ports: readonly PortRule[];
  /** Resolvers that stay reachable (`network.dnsServers`), IPv4. Absent: the node's default. */
  readonly dnsServers?: readonly string[];
  /** Resolvers the node's DNS asks on this sandbox's behalf (`network.dns.customServers`). Absent: the node's own. */
  readonly resolvers?: readonly string[];
}

/** The egress policy of a sandbox whose creator said nothing: the internet, and nothing private. */
export const DEFAULT_EGRESS: EgressPolicy = { allowOut: [], denyOut: [], ports: [] };

/** Everything a node needs to start a sandbox. */
export interface SandboxSpec {
  /** From {@link NodeApi.reserve}. */
  readonly sandboxId: string;
  readonly teamId: string;
  readonly templateId: string;
  readonly buildId: string;
  readonly resources: Resources;
  readonly envVars: Readonly<Record<string, string>>;
  /** Absent: envd takes every request. */
  readonly envdAccessToken?: string;
  readonly egress: EgressPolicy;
}

/** Why a sandbox is no more. */
export type DeathReason =
  | 'killed'
  | 'timeout'
  | 'oom'
  | 'disk_full'
  | 'crashed'
  | 'node_lost'
  | 'start_failed'
  | 'shutdown';

/** A sandbox that runs. */
export interface RunningSandbox {
  readonly sandboxId: string;
  /** IPv4 address of the guest. */
  readonly address: string;
  readonly lifecycleId: string;
}

/** One line of a node's inventory: what really runs there. */
export interface InventoryEntry extends RunningSandbox {
  readonly spec: SandboxSpec;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

/** What a node says of itself. Sizes in bytes. */
export interface NodeDescription {
  readonly nodeId: string;
  readonly runtime: string;
  readonly runtimeVersion: string;
  readonly cpuCount: number;
  readonly cpuModelName: string;
  readonly cpuPercent: number;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly allocatedCpu: number;
  readonly allocatedMemoryBytes: number;
  readonly sandboxCount: number;
  readonly sandboxStartingCount: number;
  readonly createSuccesses: number;
  readonly createFails: number;
  readonly disks: readonly {
    readonly mountPoint: string;
    readonly device: string;
    readonly filesystemType: string;
    readonly usedBytes: number;
    readonly totalBytes: number;
  }[];
}

/** One sample of a sandbox's use. Sizes in bytes, `cpuUsedPct` 0..100 of all its cores together, `timestamp` unix milliseconds. */
export interface SandboxMetric {
  readonly timestamp: number;
  readonly cpuCount: number;
  readonly cpuUsedPct: number;
  readonly memUsed: number;
  readonly memTotal: number;
  readonly memCache: number;
  readonly diskUsed: number;
  readonly diskTotal: number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line of a sandbox's log. `timestamp` unix milliseconds. */
export interface SandboxLogEntry {
  readonly timestamp: number;
  readonly level: LogLevel;
  readonly logger: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Which lines of a log are wanted; every bound optional, times unix milliseconds. */
export interface LogQuery {
  /** forward: at or after it; backward: at or before it. */
  readonly cursor?: number;
  readonly limit: number;
  readonly direction: 'forward' | 'backward';
  readonly minimumLevel?: LogLevel;
  /** Case-sensitive part of the message. */
  readonly search?: string;
}

/** A build a node holds and can start sandboxes from. */
export interface BuildSummary {
  readonly buildId: string;
  readonly templateId: string;
  readonly aliases: readonly string[];
  readonly resources: Resources;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly envdVersion: string;
}

/** Something that happened to a sandbox without anybody having asked for it. */
export interface SandboxDied {
  readonly sandboxId: string;
  readonly reason: DeathReason;
  /** For people: what was seen. */
  readonly detail: string;
}

/**
 * What control asks of a node. The only way from control to what runs; carried in-process or by a bus.
 * Every call may throw an AtollError of the catalogue; `signal` ends the wait and undoes what was begun.
 */
export interface NodeApi {
  /** Names a sandbox to be: a ready one from the pool where one fits, else a fresh id. Unused reservations lapse after 60 s. */
  reserve(request: { buildId: string; resources: Resources }, signal: AbortSignal): Promise<{ sandboxId: string }>;
  /** Starts the reserved sandbox, with its policy in force before anything of it runs; returns when envd answers. */
  start(spec: SandboxSpec, signal: AbortSignal): Promise<RunningSandbox>;
  /** Ends a sandbox and removes all it had. Ending one that is gone is not an error. */
  kill(sandboxId: string, reason: DeathReason): Promise<void>;
  /** Replaces the egress policy at once; connections the new one forbids are cut. */
  updateEgress(sandboxId: string, egress: EgressPolicy): Promise<void>;
  /** Samples between two unix milliseconds, oldest first. Unknown sandbox: empty. */
  metrics(sandboxId: string, range: { start: number; end: number }): Promise<SandboxMetric[]>;
  /** The newest sample of each; sandboxes without one are left out. */
  latestMetrics(sandboxIds: readonly string[]): Promise<Map<string, SandboxMetric>>;
  logs(sandboxId: string, query: LogQuery): Promise<SandboxLogEntry[]>;
  /** What runs and belongs to somebody (pool members are not listed). */
  inventory(): Promise<InventoryEntry[]>;
  builds(): Promise<BuildSummary[]>;
  describe(): Promise<NodeDescription>;
  /** How a sandbox ended, as far as the node still knows (7 days): also what nobody was there to be told of. */
  deathOf(sandboxId: string): Promise<SandboxDied | undefined>;
  /** Calls back for every sandbox that ended by itself. Returns the way to stop. */
  onDeath(listener: (death: SandboxDied) => void): () => void;
}
