import { DEFAULT_MAX_TIMEOUT_SECONDS, MAX_API_BODY_BYTES } from '@atoll/contract';
import type { RateLimit } from './auth/rate-limit.ts';

/** What one installation allows. Every value is a setting; the defaults suit one machine. */
export interface ControlLimits {
  /** Longest life of a sandbox, in seconds. */
  readonly maxTimeoutSeconds: number;
  /** Sandboxes of one team at once. */
  readonly maxSandboxesPerTeam: number;
  /** Most cores one sandbox may ask for. */
  readonly maxCpuCount: number;
  /** Most memory one sandbox may ask for, in MiB. */
  readonly maxMemoryMiB: number;
  /** Largest disk one sandbox may ask for, in MiB. */
  readonly maxDiskMiB: number;
  /** Largest request body, in bytes. */
  readonly maxBodyBytes: number;
  /** Create requests of one team. */
  readonly createRate: RateLimit;
  /** Requests of one team on each other route. */
  readonly requestRate: RateLimit;
  /** How long a create may take before it is undone, in milliseconds. The clients give up after 60 s. */
  readonly startTimeoutMs: number;
  /** How long tombstones of ended sandboxes are kept, in milliseconds. */
  readonly tombstoneMs: number;
  /** How long an Idempotency-Key is remembered, in milliseconds. */
  readonly idempotencyMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export const DEFAULT_LIMITS: ControlLimits = {
  maxTimeoutSeconds: DEFAULT_MAX_TIMEOUT_SECONDS,
  maxSandboxesPerTeam: 1000,
  maxCpuCount: 32,
  maxMemoryMiB: 64 * 1024,
  maxDiskMiB: 100 * 1024,
  maxBodyBytes: MAX_API_BODY_BYTES,
  createRate: { perSecond: 50, burst: 500 },
  requestRate: { perSecond: 200, burst: 2000 },
  startTimeoutMs: 55_000,
  tombstoneMs: 7 * DAY_MS,
  idempotencyMs: DAY_MS,
};
