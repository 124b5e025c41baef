export { type Base, type BaseConfig, type BaseOptions, ensureBase, provisionBase } from './base.ts';
