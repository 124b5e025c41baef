import { AtollError } from '@atoll/contract';
import type { SettingsStore } from '../store/settings-store.ts';

const SETTING = 'node_status';

/** What an operator can make of a node; `connecting` and `unhealthy` are observed, never set. */
export const SETTABLE_STATUSES = ['ready', 'draining', 'standby'] as const;
export type SettableStatus = (typeof SETTABLE_STATUSES)[number];

/** Whether the node takes new sandboxes, as an operator decided; kept over restarts. */
export class NodeStatus {
  readonly #settings: SettingsStore;
  #status: SettableStatus = 'ready';
  #changedAt = Date.now();

  private constructor(settings: SettingsStore) {
    this.#settings = settings;
  }

  static async load(settings: SettingsStore): Promise<NodeStatus> {
    const loaded = new NodeStatus(settings);
    const kept = await settings.get(SETTING);
    if (kept !== undefined) {
      const { status, changedAt } = JSON.parse(kept) as { status: SettableStatus; changedAt: number };
      loaded.#status = status;
      loaded.#changedAt = changedAt;
    }
    return loaded;
  }

  get status(): SettableStatus {
    return this.#status;
  }

  /** Unix milliseconds. */
  get changedAt(): number {
    return this.#changedAt;
  }

  async set(status: SettableStatus): Promise<void> {
    const changedAt = Date.now();
    await this.#settings.set(SETTING, JSON.stringify({ status, changedAt }));
    this.#status = status;
    this.#changedAt = changedAt;
  }

  /** Throws `sandbox_capacity_unavailable` unless the node is ready. */
  assertTakesSandboxes(): void {
    if (this.#status === 'ready') return;
    throw new AtollError(
      'sandbox_capacity_unavailable',
      `No host takes new sandboxes: the only one is ${this.#status}, as its operator decided.`,
    );
  }
}
