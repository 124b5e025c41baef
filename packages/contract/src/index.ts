export * from './address.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './node-api.ts';
export * from './routes.ts';
