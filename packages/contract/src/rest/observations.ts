import Type, { type Static } from 'typebox';
import { operation } from './operation.ts';
import { SandboxParams } from './sandboxes.ts';
import { OneOf, StringMap, TimeQuery, Timestamp } from './values.ts';

const tag = 'observations';
const params = SandboxParams;

/** One sample; sizes in bytes. */
export const Metric = Type.Object({
  timestamp: Timestamp,
  timestampUnix: Type.Integer(),
  cpuCount: Type.Integer(),
  cpuUsedPct: Type.Number(),
  memUsed: Type.Integer(),
  memTotal: Type.Integer(),
  memCache: Type.Integer(),
  diskUsed: Type.Integer(),
  diskTotal: Type.Integer(),
});
export type Metric = Static<typeof Metric>;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export const LogEntry = Type.Object({
  timestamp: Timestamp,
  level: OneOf(LEVELS),
  message: Type.String(),
  fields: StringMap,
});
export type LogEntry = Static<typeof LogEntry>;

/** Metrics and logs of sandboxes. */
export const observationOperations = {
  metrics: operation({
    id: 'getSandboxMetrics',
    method: 'get',
    path: '/sandboxes/{sandboxID}/metrics',
    tag,
    summary: 'Samples of one sandbox, oldest first.',
    access: 'team',
    params,
    query: Type.Object({ start: TimeQuery, end: TimeQuery }),
    answers: { 200: { description: 'Samples; none in the first seconds.', schema: Type.Array(Metric) } },
  }),
  metricsOfMany: operation({
    id: 'getSandboxesMetrics',
    method: 'get',
    path: '/sandboxes/metrics',
    tag,
    summary: 'The newest sample of each named sandbox.',
    access: 'team',
    query: Type.Object({ sandbox_ids: Type.String({ description: '1 to 100 ids, a comma list.' }) }),
    answers: {
      200: {
        description: 'By sandbox id; those without a sample are left out.',
        schema: Type.Object({
          sandboxes: Type.Unsafe<Record<string, Metric>>({ type: 'object', additionalProperties: Metric }),
        }),
      },
    },
  }),
  logsV1: operation({
    id: 'getSandboxLogsV1',
    method: 'get',
    path: '/sandboxes/{sandboxID}/logs',
    tag,
    summary: 'Log lines, oldest first; each `line` is a JSON object.',
    access: 'team',
    params,
    query: Type.Object({
      start: Type.Optional(Type.String({ description: 'Unix milliseconds, or ISO 8601.' })),
      limit: Type.Optional(Type.Integer({ minimum: 0, default: 1000 })),
    }),
    answers: {
      200: {
        description: 'The lines.',
        schema: Type.Object({
          logs: Type.Array(Type.Object({ timestamp: Timestamp, line: Type.String() })),
          logEntries: Type.Array(LogEntry),
        }),
      },
    },
    deprecated: true,
  }),
  logs: operation({
    id: 'getSandboxLogs',
    method: 'get',
    path: '/v2/sandboxes/{sandboxID}/logs',
    tag,
    summary: 'Log entries from a cursor in either direction.',
    access: 'team',
    params,
    query: Type.Object({
      cursor: Type.Optional(Type.String({ description: 'Unix milliseconds, or ISO 8601.' })),
      limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, default: 1000 })),
      direction: Type.Optional(OneOf(['forward', 'backward'], { description: 'Default: backward.' })),
      level: Type.Optional(OneOf(LEVELS, { description: 'The least level wanted.' })),
      search: Type.Optional(Type.String({ maxLength: 256, description: 'Case-sensitive part of the message.' })),
    }),
    answers: { 200: { description: 'The entries.', schema: Type.Object({ logs: Type.Array(LogEntry) }) } },
  }),
};
