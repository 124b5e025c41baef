import { randomBytes, randomInt } from 'node:crypto';

const LOWER_ALPHANUMERIC = 'abcdefghijklmnopqrstuvwxyz0123456789';
const SANDBOX_ID_RANDOM_CHARACTERS = 20;
const TEMPLATE_ID_CHARACTERS = 20;
const KEY_BYTES = 20;

function randomLabel(length: number): string {
  let label = '';
  for (let i = 0; i < length; i += 1) label += LOWER_ALPHANUMERIC[randomInt(LOWER_ALPHANUMERIC.length)];
  return label;
}

/** A new sandbox id: `i` and 20 random `[a-z0-9]`, short enough for the DNS label `<port>-<id>` (63 characters). */
export function newSandboxId(): string {
  return `i${randomLabel(SANDBOX_ID_RANDOM_CHARACTERS)}`;
}

/** True for text that may name a sandbox on the wire: `^[a-z0-9]+$`, at most 57 characters. */
export function isSandboxId(text: string): boolean {
  return /^[a-z0-9]{1,57}$/.test(text);
}

/** A new template id: 20 random `[a-z0-9]`. */
export function newTemplateId(): string {
  return randomLabel(TEMPLATE_ID_CHARACTERS);
}

/** A new API key: `e2b_` and 40 hex digits, the form that every client accepts. */
export function newApiKey(): string {
  return `e2b_${randomBytes(KEY_BYTES).toString('hex')}`;
}

/** A new user access token: `sk_e2b_` and 40 hex digits. */
export function newAccessToken(): string {
  return `sk_e2b_${randomBytes(KEY_BYTES).toString('hex')}`;
}

/** A new secret for one sandbox (envd or traffic token): 64 hex digits, 256 random bits. */
export function newSandboxToken(): string {
  return randomBytes(32).toString('hex');
}
