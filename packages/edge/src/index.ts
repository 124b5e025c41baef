export { openEdge } from './edge.ts';
export { DEFAULT_EDGE_LIMITS, type Edge, type EdgeLimits, type EdgeOptions } from './options.ts';
export { type CertificateFiles, ensurePrivateCa } from './private-ca.ts';
export { signFile } from './signature-search.ts';
