import { AtollError, type LogLevel, type SandboxLogEntry, type SandboxMetric } from '@atoll/contract';
import { type LogEntry, type Metric, observationOperations } from '@atoll/contract/rest';
import type { Binder } from '../http/bind.ts';
import { readTime } from '../http/query.ts';
import type { SandboxContext } from '../sandboxes/context.ts';
import { findSandbox, findWithTombstone, notFound, readSandboxId } from '../sandboxes/find.ts';
import { visibleState } from '../sandboxes/states.ts';

const MAX_SANDBOXES_ASKED = 100;
const DEFAULT_LOG_LIMIT = 1000;

/** Metrics and logs. */
export function bindObservations(binder: Binder, context: SandboxContext): void {
  const { store, node } = context;
  const operations = observationOperations;

  binder.bind(operations.metrics, async ({ team, params, query }) => {
    const record = await findSandbox(store, team.teamId, params.sandboxID);
    const start = query.start === undefined ? record.startedAt : readTime('start', query.start, 'seconds');
    const end = query.end === undefined ? Date.now() : readTime('end', query.end, 'seconds');
    if (start > end) throw new AtollError('invalid_request', 'validation error: start must not be after end');
    const samples = await node.metrics(record.sandboxId, { start, end });
    return { status: 200, body: thin(samples, stepMs(end - start)).map(showMetric) };
  });

  binder.bind(operations.metricsOfMany, async ({ team, query }) => {
    const asked = [...new Set(query.sandbox_ids.split(',').filter((id) => id !== ''))].map(readSandboxId);
    if (asked.length === 0 || asked.length > MAX_SANDBOXES_ASKED) {
      throw new AtollError(
        'invalid_request',
        `validation error: sandbox_ids must hold 1 to ${MAX_SANDBOXES_ASKED} ids`,
      );
    }
    const records = await Promise.all(asked.map((sandboxId) => store.sandboxes.get(sandboxId)));
    const own = records.flatMap((record) =>
      record?.teamId === team.teamId && visibleState(record.state) !== undefined ? [record.sandboxId] : [],
    );
    const latest = await node.latestMetrics(own);
    const sandboxes = Object.fromEntries([...latest].map(([sandboxId, sample]) => [sandboxId, showMetric(sample)]));
    return { status: 200, body: { sandboxes } };
  });

  binder.bind(operations.logsV1, async ({ team, params, query }) => {
    const entries = await readLogs(context, team.teamId, params.sandboxID, {
      ...(query.start !== undefined && { cursor: readTime('start', query.start, 'milliseconds') }),
      limit: query.limit ?? DEFAULT_LOG_LIMIT,
      direction: 'forward',
    });
    return { status: 200, body: { logs: entries.map(showLine), logEntries: entries.map(showEntry) } };
  });

  binder.bind(operations.logs, async ({ team, params, query }) => {
    const entries = await readLogs(context, team.teamId, params.sandboxID, {
      ...(query.cursor !== undefined && { cursor: readTime('cursor', query.cursor, 'milliseconds') }),
      limit: query.limit ?? DEFAULT_LOG_LIMIT,
      direction: query.direction ?? 'backward',
      ...(query.level !== undefined && { minimumLevel: query.level as LogLevel }),
      ...(query.search !== undefined && { search: query.search }),
    });
    return { status: 200, body: { logs: entries.map(showEntry) } };
  });
}

/** Logs of a sandbox; of one that has ended as long as the node keeps them. */
async function readLogs(
  context: SandboxContext,
  teamId: string,
  reference: string,
  query: Parameters<SandboxContext['node']['logs']>[1],
): Promise<SandboxLogEntry[]> {
  const record = await findWithTombstone(context.store, teamId, reference);
  const entries = await context.node.logs(record.sandboxId, query);
  if (entries.length === 0 && record.end !== undefined) throw notFound(record.sandboxId, record.end);
  return entries;
}

const SECOND_MS = 1000;
const HOUR_MS = 3600 * SECOND_MS;

/** How far samples are apart at least, by the length of the range that is looked at. */
const STEPS: readonly (readonly [below: number, step: number])[] = [
  [HOUR_MS, 5 * SECOND_MS],
  [6 * HOUR_MS, 30 * SECOND_MS],
  [12 * HOUR_MS, 60 * SECOND_MS],
  [24 * HOUR_MS, 120 * SECOND_MS],
  [7 * 24 * HOUR_MS, 300 * SECOND_MS],
];
const LONGEST_STEP_MS = 900 * SECOND_MS;

function stepMs(rangeMs: number): number {
  return STEPS.find(([below]) => rangeMs < below)?.[1] ?? LONGEST_STEP_MS;
}

/** Keeps the first sample of each step. The finest step keeps all: nodes sample about that often. */
function thin(samples: readonly SandboxMetric[], step: number): SandboxMetric[] {
  if (step === STEPS[0]?.[1]) return [...samples];
  let nextAt = Number.NEGATIVE_INFINITY;
  return samples.filter((sample) => {
    if (sample.timestamp < nextAt) return false;
    nextAt = (Math.floor(sample.timestamp / step) + 1) * step;
    return true;
  });
}

function showMetric(sample: SandboxMetric): Metric {
  return {
    timestamp: new Date(sample.timestamp).toISOString(),
    timestampUnix: Math.floor(sample.timestamp / SECOND_MS),
    cpuCount: sample.cpuCount,
    cpuUsedPct: sample.cpuUsedPct,
    memUsed: sample.memUsed,
    memTotal: sample.memTotal,
    memCache: sample.memCache,
    diskUsed: sample.diskUsed,
    diskTotal: sample.diskTotal,
  };
}

function showEntry(entry: SandboxLogEntry): LogEntry {
  return {
    timestamp: new Date(entry.timestamp).toISOString(),
    level: entry.level,
    message: entry.message,
    fields: { ...entry.fields, logger: entry.logger },
  };
}

/** A line of the first API: clients parse its text as a JSON object and read level, logger and message of it. */
function showLine(entry: SandboxLogEntry): { timestamp: string; line: string } {
  return {
    timestamp: new Date(entry.timestamp).toISOString(),
    line: JSON.stringify({ ...entry.fields, level: entry.level, logger: entry.logger, message: entry.message }),
  };
}
