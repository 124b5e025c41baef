import type { DeathReason, Resources } from '@atoll/contract';
import type { NetworkView } from '@atoll/contract/rest';
import type { SandboxState } from './states.ts';

/** What a sandbox's creator asked for about its network, as it is kept and shown. */
export interface NetworkSettings extends NetworkView {
  /** `allow_internet_access`; absent: never set. */
  readonly allowInternetAccess?: boolean;
}

/** How a sandbox ended. */
export interface SandboxEnd {
  /** Unix milliseconds. */
  readonly at: number;
  readonly reason: DeathReason;
  /** For people. */
  readonly detail: string;
}

/** A sandbox as the store knows it. Times are unix milliseconds. */
export interface SandboxRecord {
  readonly sandboxId: string;
  readonly teamId: string;
  readonly templateId: string;
  readonly buildId: string;
  readonly alias: string | undefined;
  readonly envdVersion: string;
  readonly state: SandboxState;
  readonly startedAt: number;
  readonly endAt: number;
  readonly resources: Resources;
  /** Whether envd asks for its token. */
  readonly secure: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly network: NetworkSettings;
  /** Where the guest is; absent until it runs. */
  readonly address: string | undefined;
  readonly lifecycleId: string | undefined;
  readonly end: SandboxEnd | undefined;
  readonly idempotency: { readonly key: string; readonly hash: string } | undefined;
}
