import { isSandboxId } from './ids.ts';

/** Where a request wants to go: a port of a sandbox. */
export interface SandboxAddress {
  readonly sandboxId: string;
  /** 1..65535 */
  readonly port: number;
}

/** Builds the left-most DNS label of a sandbox's port, `<port>-<sandboxId>`. */
export function sandboxHostLabel(address: SandboxAddress): string {
  return `${address.port}-${address.sandboxId}`;
}

/** Reads a decimal port 1..65535; undefined for anything else. */
export function parsePort(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}

/** Reads the `[a-z0-9]+` sandbox id out of `<id>` or `<id>-<clientID>`; undefined when it is neither. */
export function parseSandboxReference(text: string): string | undefined {
  const parts = text.split('-');
  const id = parts[0];
  if (id === undefined || parts.length > 2 || !isSandboxId(id)) return undefined;
  return id;
}
