export type { RateLimit } from './auth/rate-limit.ts';
export { type Control, type ControlOptions, openControl } from './control.ts';
export { type ControlLimits, DEFAULT_LIMITS } from './limits.ts';
export type { Seed } from './seed.ts';
export { openStore, type Store, type StoreOptions } from './store/store.ts';
