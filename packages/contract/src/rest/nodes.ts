import Type, { type Static } from 'typebox';
import { operation } from './operation.ts';
import { OneOf, Timestamp } from './values.ts';

const tag = 'operators';

export const NODE_STATUSES = ['ready', 'draining', 'connecting', 'unhealthy', 'standby'] as const;

const nodeFields = {
  id: Type.String(),
  serviceInstanceID: Type.String(),
  clusterID: Type.String(),
  status: OneOf(NODE_STATUSES),
  statusChangedAt: Timestamp,
  sandboxCount: Type.Integer(),
  createSuccesses: Type.Integer(),
  createFails: Type.Integer(),
  version: Type.String(),
  commit: Type.String(),
  machineInfo: Type.Object({
    cpuFamily: Type.String(),
    cpuModel: Type.String(),
    cpuModelName: Type.String(),
    cpuArchitecture: Type.String(),
  }),
  metrics: Type.Object({
    allocatedCPU: Type.Number(),
    cpuPercent: Type.Number(),
    cpuCount: Type.Integer(),
    allocatedMemoryBytes: Type.Integer(),
    memoryUsedBytes: Type.Integer(),
    memoryTotalBytes: Type.Integer(),
    hugePagesTotal: Type.Integer(),
    hugePagesUsed: Type.Integer(),
    hugePagesReserved: Type.Integer(),
    hugePageSizeBytes: Type.Integer(),
    disks: Type.Array(
      Type.Object({
        mountPoint: Type.String(),
        device: Type.String(),
        filesystemType: Type.String(),
        usedBytes: Type.Integer(),
        totalBytes: Type.Integer(),
      }),
    ),
  }),
};
export const NodeDetailView = Type.Object(nodeFields);
export type NodeDetailView = Static<typeof NodeDetailView>;
export const NodeView = Type.Object({ ...nodeFields, sandboxStartingCount: Type.Integer() });
export type NodeView = Static<typeof NodeView>;

const params = Type.Object({ nodeID: Type.String() });

/** What operators see and do. */
export const nodeOperations = {
  list: operation({
    id: 'listNodes',
    method: 'get',
    path: '/nodes',
    tag,
    summary: 'The hosts that run sandboxes.',
    access: 'admin',
    answers: { 200: { description: 'The nodes.', schema: Type.Array(NodeView) } },
  }),
  get: operation({
    id: 'getNode',
    method: 'get',
    path: '/nodes/{nodeID}',
    tag,
    summary: 'Look at one node.',
    access: 'admin',
    params,
    query: Type.Object({ clusterID: Type.Optional(Type.String()) }),
    answers: { 200: { description: 'The node.', schema: NodeDetailView } },
  }),
  setStatus: operation({
    id: 'setNodeStatus',
    method: 'post',
    path: '/nodes/{nodeID}',
    tag,
    summary: 'Let a node take new sandboxes (ready) or not (draining, standby).',
    access: 'admin',
    params,
    body: Type.Object({ status: OneOf(NODE_STATUSES), clusterID: Type.Optional(Type.String()) }),
    answers: { 204: { description: 'Done.' } },
  }),
  killTeamSandboxes: operation({
    id: 'adminKillTeamSandboxes',
    method: 'post',
    path: '/admin/teams/{teamID}/sandboxes/kill',
    tag,
    summary: 'End all sandboxes of a team.',
    access: 'admin',
    params: Type.Object({ teamID: Type.String() }),
    answers: {
      200: {
        description: 'How many.',
        schema: Type.Object({ killedCount: Type.Integer(), failedCount: Type.Integer() }),
      },
    },
  }),
  runningCounts: operation({
    id: 'adminRunningCounts',
    method: 'get',
    path: '/admin/sandboxes/running-counts',
    tag,
    summary: 'Running sandboxes by team.',
    access: 'admin',
    answers: {
      200: {
        description: 'By team id.',
        schema: Type.Unsafe<Record<string, number>>({ type: 'object', additionalProperties: { type: 'integer' } }),
      },
    },
  }),
};
