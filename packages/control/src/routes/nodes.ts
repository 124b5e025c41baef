import { AtollError, type NodeApi, type NodeDescription } from '@atoll/contract';
import { type NodeView, nodeOperations } from '@atoll/contract/rest';
import type { Binder } from '../http/bind.ts';
import { type NodeStatus, SETTABLE_STATUSES, type SettableStatus } from '../nodes/node-status.ts';
import type { SandboxEnder } from '../sandboxes/end.ts';
import type { Store } from '../store/store.ts';

/** There is one cluster, and it needs no name; the field is required on the wire. */
const CLUSTER_ID = '00000000-0000-0000-0000-000000000000';
const MAX_TEAM_SANDBOXES = 100_000;

interface NodeServices {
  readonly node: NodeApi;
  readonly status: NodeStatus;
  readonly store: Store;
  readonly ender: SandboxEnder;
  /** Of the server. */
  readonly version: string;
}

/** What operators see and do. */
export function bindNodes(binder: Binder, services: NodeServices): void {
  const { node, status, store, ender } = services;
  const operations = nodeOperations;
  const describe = async (nodeId: string): Promise<NodeDescription> => {
    const description = await node.describe();
    if (description.nodeId === nodeId) return description;
    throw new AtollError('not_found', `There is no node ${JSON.stringify(nodeId.slice(0, 64))}.`);
  };

  binder.bind(operations.list, async () => ({
    status: 200,
    body: [showNode(await node.describe(), status, services.version)],
  }));
  binder.bind(operations.get, async ({ params }) => {
    const { sandboxStartingCount: _, ...detail } = showNode(await describe(params.nodeID), status, services.version);
    return { status: 200, body: detail };
  });
  binder.bind(operations.setStatus, async ({ params, body }) => {
    await describe(params.nodeID);
    const wanted = body.status;
    if (!isSettable(wanted)) {
      throw new AtollError(
        'conflict',
        `A node is seen to be ${wanted}; only ${SETTABLE_STATUSES.join(', ')} can be set.`,
      );
    }
    await status.set(wanted);
    return { status: 204 };
  });

  binder.bind(operations.killTeamSandboxes, async ({ params }) => {
    const running = await store.sandboxes.list(
      { teamId: params.teamID.toLowerCase(), states: ['running', 'paused'] },
      { order: 'asc', limit: MAX_TEAM_SANDBOXES },
    );
    const outcomes = await Promise.allSettled(
      running.map((record) => ender.kill(record.sandboxId, 'killed', 'an operator ended all sandboxes of the team')),
    );
    const killedCount = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value).length;
    const failedCount = outcomes.filter((outcome) => outcome.status === 'rejected').length;
    return { status: 200, body: { killedCount, failedCount } };
  });
  binder.bind(operations.runningCounts, async () => ({
    status: 200,
    body: Object.fromEntries(await store.sandboxes.runningByTeam()),
  }));
}

function isSettable(status: string): status is SettableStatus {
  return (SETTABLE_STATUSES as readonly string[]).includes(status);
}

function showNode(description: NodeDescription, status: NodeStatus, version: string): NodeView {
  return {
    id: description.nodeId,
    serviceInstanceID: description.nodeId,
    clusterID: CLUSTER_ID,
    status: status.status,
    statusChangedAt: new Date(status.changedAt).toISOString(),
    sandboxCount: description.sandboxCount,
    sandboxStartingCount: description.sandboxStartingCount,
    createSuccesses: description.createSuccesses,
    createFails: description.createFails,
    version,
    commit: '',
    machineInfo: {
      cpuFamily: '',
      cpuModel: '',
      cpuModelName: description.cpuModelName,
      cpuArchitecture: process.arch,
    },
    metrics: {
      allocatedCPU: description.allocatedCpu,
      cpuPercent: description.cpuPercent,
      cpuCount: description.cpuCount,
      allocatedMemoryBytes: description.allocatedMemoryBytes,
      memoryUsedBytes: description.memoryUsedBytes,
      memoryTotalBytes: description.memoryTotalBytes,
      hugePagesTotal: 0,
      hugePagesUsed: 0,
      hugePagesReserved: 0,
      hugePageSizeBytes: 0,
      disks: [...description.disks],
    },
  };
}
