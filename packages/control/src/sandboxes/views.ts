import { CLIENT_ID, type SandboxRoute } from '@atoll/contract';
import type { ListedSandbox, Sandbox, SandboxDetail } from '@atoll/contract/rest';
import type { SandboxTokens } from '../auth/secrets.ts';
import type { SandboxRecord } from './record.ts';
import { visibleState } from './states.ts';

/** How sandboxes are shown to clients and to the edge. */
export class SandboxViews {
  readonly #tokens: SandboxTokens;
  readonly #domain: string | null;

  /** `domain`: the base domain of sandbox addresses, null where there is none. */
  constructor(tokens: SandboxTokens, domain: string | undefined) {
    this.#tokens = tokens;
    this.#domain = domain ?? null;
  }

  /** The answer of create and connect. */
  sandbox(record: SandboxRecord): Sandbox {
    return {
      templateID: record.templateId,
      sandboxID: record.sandboxId,
      clientID: CLIENT_ID,
      envdVersion: record.envdVersion,
      ...(record.alias !== undefined && { alias: record.alias }),
      ...(record.secure && { envdAccessToken: this.#tokens.envd(record.sandboxId) }),
      ...(record.network.allowPublicTraffic === false && {
        trafficAccessToken: this.#tokens.traffic(record.sandboxId),
      }),
      domain: this.#domain,
    };
  }

  /** One entry of the lists. */
  listed(record: SandboxRecord): ListedSandbox {
    return {
      templateID: record.templateId,
      ...(record.alias !== undefined && { alias: record.alias }),
      sandboxID: record.sandboxId,
      clientID: CLIENT_ID,
      startedAt: new Date(record.startedAt).toISOString(),
      endAt: new Date(record.endAt).toISOString(),
      cpuCount: record.resources.cpuCount,
      memoryMB: record.resources.memoryMiB,
      diskSizeMB: record.resources.diskMiB,
      ...(Object.keys(record.metadata).length > 0 && { metadata: record.metadata }),
      state: visibleState(record.state) ?? 'running',
      envdVersion: record.envdVersion,
    };
  }

  /** The answer of get. */
  detail(record: SandboxRecord): SandboxDetail {
    const { allowInternetAccess, ...network } = record.network;
    return {
      ...this.listed(record),
      ...(record.secure && { envdAccessToken: this.#tokens.envd(record.sandboxId) }),
      domain: this.#domain,
      allowInternetAccess: allowInternetAccess ?? null,
      ...(Object.keys(network).length > 0 && { network }),
      lifecycle: { autoResume: false, onTimeout: 'kill' },
    };
  }

  /** What the edge must know; undefined while the sandbox has no address. */
  route(record: SandboxRecord): SandboxRoute | undefined {
    const { address, lifecycleId, network } = record;
    if (address === undefined || lifecycleId === undefined) return undefined;
    const allowPublicTraffic = network.allowPublicTraffic ?? true;
    return {
      sandboxId: record.sandboxId,
      teamId: record.teamId,
      address,
      lifecycleId,
      ...(record.secure && { envdAccessToken: this.#tokens.envd(record.sandboxId) }),
      ...(!allowPublicTraffic && { trafficAccessToken: this.#tokens.traffic(record.sandboxId) }),
      allowPublicTraffic,
      ...(network.maskRequestHost !== undefined && { maskRequestHost: network.maskRequestHost }),
      httpsPorts: network.httpsPorts ?? [],
      ports: network.ports ?? [],
    };
  }
}
