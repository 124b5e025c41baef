/** Questions a guest may have open at once, and TCP connections to the resolver. */
const MAX_OPEN_QUESTIONS = 64;
const MAX_CONNECTIONS = 8;

/** Questions a guest may ask in a second on average, and at once after a rest. */
const RATE_PER_SECOND = 200;
const BURST = 400;

interface Account {
  questions: number;
  connections: number;
  tokens: number;
  refilledAt: number;
}

/** Keeps each guest's use of the resolver in bounds, so that none can take it from the others. */
export class ClientBudget {
  readonly #accounts = new Map<string, Account>();

  /** Whether the guest may ask one more now; if so, {@link endQuestion} must follow. */
  startQuestion(address: string): boolean {
    const account = this.#account(address);
    const now = performance.now();
    account.tokens = Math.min(BURST, account.tokens + ((now - account.refilledAt) / 1000) * RATE_PER_SECOND);
    account.refilledAt = now;
    if (account.tokens < 1 || account.questions >= MAX_OPEN_QUESTIONS) return false;
    account.tokens -= 1;
    account.questions += 1;
    return true;
  }

  endQuestion(address: string): void {
    const account = this.#accounts.get(address);
    if (account !== undefined) account.questions -= 1;
  }

  startConnection(address: string): boolean {
    const account = this.#account(address);
    if (account.connections >= MAX_CONNECTIONS) return false;
    account.connections += 1;
    return true;
  }

  endConnection(address: string): void {
    const account = this.#accounts.get(address);
    if (account !== undefined) account.connections -= 1;
  }

  /** Forgets a guest that is gone. */
  forget(address: string): void {
    this.#accounts.delete(address);
  }

  #account(address: string): Account {
    let account = this.#accounts.get(address);
    if (account === undefined) {
      account = { questions: 0, connections: 0, tokens: BURST, refilledAt: performance.now() };
      this.#accounts.set(address, account);
    }
    return account;
  }
}
