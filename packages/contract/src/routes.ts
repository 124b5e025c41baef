/** What the edge must know to serve requests to one sandbox. Plain data, published by control. */
export interface SandboxRoute {
  readonly sandboxId: string;
  readonly teamId: string;
  /** IPv4 address of the guest as the edge can reach it. */
  readonly address: string;
  /** Changes with every life of the sandbox (boot, resume): connections kept from an earlier one must not be reused. */
  readonly lifecycleId: string;
  /** envd's token; absent for an unsecured sandbox. */
  readonly envdAccessToken?: string;
  /** Required on every port but envd's when `allowPublicTraffic` is false. */
  readonly trafficAccessToken?: string;
  readonly allowPublicTraffic: boolean;
  /** `host[:port]`, may hold the literal `${PORT}`. */
  readonly maskRequestHost?: string;
  /** Ports the edge speaks TLS to, certificate not verified. */
  readonly httpsPorts: readonly number[];
  /** Inbound port rules of `network.ports`; deny wins. */
  readonly ports: readonly PortRule[];
}

/** One entry of `network.ports`: a rule for both directions (inbound through the edge, outbound by destination port). */
export interface PortRule {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly access: 'allow' | 'deny';
  readonly description?: string;
}

/** The edge's view of where sandboxes are. Every lookup is a map access. */
export interface RouteTable {
  get(sandboxId: string): SandboxRoute | undefined;
  /** For the two-URL form without routing headers: the sandbox whose envd token this is. */
  byEnvdAccessToken(token: string): SandboxRoute | undefined;
  /** All routes, in no order; for the bounded signature search only. */
  all(): Iterable<SandboxRoute>;
  /** Calls back when a route is replaced or withdrawn, so that kept connections can be closed. Returns the way to stop. */
  onChange(listener: (sandboxId: string) => void): () => void;
}

/** The publishing side of a {@link RouteTable}. */
export interface RoutePublisher {
  publish(route: SandboxRoute): void;
  withdraw(sandboxId: string): void;
}
