export { type GvisorOptions, type GvisorPlatform, openGvisor } from './gvisor/gvisor.ts';
export { findRunsc, type Runsc, type RunscSearch } from './runsc/find.ts';
export { type InstallRunscOptions, installRunsc } from './runsc/install.ts';
export { judgeRunsc, PINNED_RUNSC } from './runsc/pinned.ts';
export type * from './runtime.ts';
