export { type GvisorOptions, type GvisorPlatform, openGvisor } from './gvisor/gvisor.ts';
export type * from './runtime.ts';
