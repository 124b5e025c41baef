import type { DeathReason } from '@atoll/contract';
import type { Selectable } from 'kysely';
import type { SandboxRecord } from '../sandboxes/record.ts';
import type { SandboxState } from '../sandboxes/states.ts';
import type { SandboxesTable } from './tables.ts';

/** A record as the table holds it. */
export function writeRow(record: SandboxRecord): SandboxesTable {
  return {
    sandbox_id: record.sandboxId,
    team_id: record.teamId,
    template_id: record.templateId,
    build_id: record.buildId,
    alias: record.alias ?? null,
    envd_version: record.envdVersion,
    state: record.state,
    started_at: record.startedAt,
    end_at: record.endAt,
    cpu_count: record.resources.cpuCount,
    memory_mib: record.resources.memoryMiB,
    disk_mib: record.resources.diskMiB,
    secure: record.secure ? 1 : 0,
    metadata: JSON.stringify(record.metadata),
    network: JSON.stringify(record.network),
    address: record.address ?? null,
    lifecycle_id: record.lifecycleId ?? null,
    ended_at: record.end?.at ?? null,
    end_reason: record.end?.reason ?? null,
    end_detail: record.end?.detail ?? null,
    idempotency_key: record.idempotency?.key ?? null,
    idempotency_hash: record.idempotency?.hash ?? null,
  };
}

/** A row of the table as a record; rows are written by us alone, so what they hold is trusted. */
export function readRow(row: Selectable<SandboxesTable>): SandboxRecord {
  return {
    sandboxId: row.sandbox_id,
    teamId: row.team_id,
    templateId: row.template_id,
    buildId: row.build_id,
    alias: row.alias ?? undefined,
    envdVersion: row.envd_version,
    state: row.state as SandboxState,
    startedAt: row.started_at,
    endAt: row.end_at,
    resources: { cpuCount: row.cpu_count, memoryMiB: row.memory_mib, diskMiB: row.disk_mib },
    secure: row.secure === 1,
    metadata: JSON.parse(row.metadata),
    network: JSON.parse(row.network),
    address: row.address ?? undefined,
    lifecycleId: row.lifecycle_id ?? undefined,
    end:
      row.ended_at === null
        ? undefined
        : { at: row.ended_at, reason: (row.end_reason ?? 'crashed') as DeathReason, detail: row.end_detail ?? '' },
    idempotency:
      row.idempotency_key === null ? undefined : { key: row.idempotency_key, hash: row.idempotency_hash ?? '' },
  };
}
