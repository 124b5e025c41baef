import Type from 'typebox';
import { operation } from './operation.ts';
import { OneOf, TimeQuery, Timestamp, Uuid } from './values.ts';

const tag = 'teams';
const params = Type.Object({ teamID: Type.String() });

/** Teams and what they use. */
export const teamOperations = {
  list: operation({
    id: 'listTeams',
    method: 'get',
    path: '/teams',
    tag,
    summary: 'The teams of a user.',
    access: 'user',
    answers: {
      200: {
        description: 'Exactly one is the default.',
        schema: Type.Array(
          Type.Object({
            teamID: Uuid,
            name: Type.String(),
            apiKey: Type.String({ description: "The server's first key; empty for teams without a readable one." }),
            isDefault: Type.Boolean(),
          }),
        ),
      },
    },
  }),
  metrics: operation({
    id: 'getTeamMetrics',
    method: 'get',
    path: '/teams/{teamID}/metrics',
    tag,
    summary: 'How many sandboxes a team ran and started. Default: the last 7 days.',
    access: 'team',
    params,
    query: Type.Object({ start: TimeQuery, end: TimeQuery }),
    answers: {
      200: {
        description: 'Oldest first.',
        schema: Type.Array(
          Type.Object({
            timestamp: Timestamp,
            timestampUnix: Type.Integer(),
            concurrentSandboxes: Type.Integer(),
            sandboxStartRate: Type.Number({ description: 'Starts a second.' }),
          }),
        ),
      },
    },
  }),
  metricsMaximum: operation({
    id: 'getTeamMetricsMaximum',
    method: 'get',
    path: '/teams/{teamID}/metrics/max',
    tag,
    summary: 'The highest value of one team metric.',
    access: 'team',
    params,
    query: Type.Object({
      metric: OneOf(['concurrent_sandboxes', 'sandbox_start_rate']),
      start: TimeQuery,
      end: TimeQuery,
    }),
    answers: {
      200: {
        description: 'When, and how much.',
        schema: Type.Object({ timestamp: Timestamp, timestampUnix: Type.Integer(), value: Type.Number() }),
      },
    },
  }),
};
