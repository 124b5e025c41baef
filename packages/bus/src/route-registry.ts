import type { RoutePublisher, RouteTable, SandboxRoute } from '@atoll/contract';

/** The routes of one process: control publishes, the edge looks up. */
export class RouteRegistry implements RouteTable, RoutePublisher {
  readonly #routes = new Map<string, SandboxRoute>();
  readonly #byToken = new Map<string, SandboxRoute>();
  readonly #listeners = new Set<(sandboxId: string) => void>();

  get(sandboxId: string): SandboxRoute | undefined {
    return this.#routes.get(sandboxId);
  }

  byEnvdAccessToken(token: string): SandboxRoute | undefined {
    return this.#byToken.get(token);
  }

  all(): Iterable<SandboxRoute> {
    return this.#routes.values();
  }

  onChange(listener: (sandboxId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(route: SandboxRoute): void {
    this.#forget(route.sandboxId);
    this.#routes.set(route.sandboxId, route);
    if (route.envdAccessToken !== undefined) this.#byToken.set(route.envdAccessToken, route);
    this.#notify(route.sandboxId);
  }

  withdraw(sandboxId: string): void {
    if (!this.#routes.has(sandboxId)) return;
    this.#forget(sandboxId);
    this.#notify(sandboxId);
  }

  #forget(sandboxId: string): void {
    const known = this.#routes.get(sandboxId);
    if (known === undefined) return;
    this.#routes.delete(sandboxId);
    if (known.envdAccessToken !== undefined) this.#byToken.delete(known.envdAccessToken);
  }

  #notify(sandboxId: string): void {
    for (const listener of this.#listeners) listener(sandboxId);
  }
}
