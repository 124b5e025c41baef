import { AtollError } from '@atoll/contract';
import { teamOperations } from '@atoll/contract/rest';
import type { Binder } from '../http/bind.ts';
import { readTime } from '../http/query.ts';
import type { Store } from '../store/store.ts';
import { mostAtOnce, sampleUsage } from '../teams/usage.ts';

const DEFAULT_RANGE_MS = 7 * 24 * 60 * 60 * 1000;

/** Teams. `firstKey`: the one API key that is known in the clear, with its team. */
export function bindTeams(
  binder: Binder,
  store: Store,
  firstKey: { readonly teamId: string; readonly apiKey: string },
): void {
  const operations = teamOperations;

  binder.bind(operations.list, async ({ user }) => {
    const teams = await store.teams.ofUser(user.userId);
    return {
      status: 200,
      body: teams.map((team, index) => ({
        teamID: team.teamId,
        name: team.name,
        apiKey: team.teamId === firstKey.teamId ? firstKey.apiKey : '',
        // Exactly one must be: the first is the default one where there is a default at all.
        isDefault: index === 0,
      })),
    };
  });

  binder.bind(operations.metrics, async ({ team, params, query }) => {
    assertOwn(team.teamId, params.teamID);
    const range = readRange(query);
    const samples = sampleUsage(await store.sandboxes.lifetimes(team.teamId, range), range);
    return {
      status: 200,
      body: samples.map((sample) => ({
        timestamp: new Date(sample.timestamp).toISOString(),
        timestampUnix: Math.floor(sample.timestamp / 1000),
        concurrentSandboxes: sample.concurrentSandboxes,
        sandboxStartRate: sample.sandboxStartRate,
      })),
    };
  });

  binder.bind(operations.metricsMaximum, async ({ team, params, query }) => {
    assertOwn(team.teamId, params.teamID);
    const range = readRange(query);
    const lifetimes = await store.sandboxes.lifetimes(team.teamId, range);
    const most =
      query.metric === 'concurrent_sandboxes'
        ? mostAtOnce(lifetimes, range)
        : sampleUsage(lifetimes, range)
            .map((sample) => ({ timestamp: sample.timestamp, value: sample.sandboxStartRate }))
            .reduce((best, one) => (one.value > best.value ? one : best), { timestamp: range.start, value: 0 });
    return {
      status: 200,
      body: {
        timestamp: new Date(most.timestamp).toISOString(),
        timestampUnix: Math.floor(most.timestamp / 1000),
        value: most.value,
      },
    };
  });
}

function assertOwn(teamId: string, asked: string): void {
  if (asked.toLowerCase() === teamId) return;
  throw new AtollError('forbidden', 'These metrics belong to another team than the credential.');
}

function readRange(query: { start?: string; end?: string }): { start: number; end: number } {
  const end = query.end === undefined ? Date.now() : readTime('end', query.end, 'seconds');
  const start = query.start === undefined ? end - DEFAULT_RANGE_MS : readTime('start', query.start, 'seconds');
  if (start > end) throw new AtollError('invalid_request', 'validation error: start must not be after end');
  return { start, end };
}
