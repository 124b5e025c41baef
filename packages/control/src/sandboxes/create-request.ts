import {
  AtollError,
  type BuildSummary,
  DEFAULT_TIMEOUT_SECONDS_V1,
  DEFAULT_TIMEOUT_SECONDS_V2,
  type Resources,
} from '@atoll/contract';
import type { CreateBody } from '@atoll/contract/rest';
import type { ControlLimits } from '../limits.ts';
import { readNetwork } from './network-settings.ts';
import type { NetworkSettings } from './record.ts';

/** What a create request asks for, after every check that needs nothing but the request. */
export interface CreateRequest {
  readonly template: string;
  readonly timeoutSeconds: number;
  readonly secure: boolean;
  readonly network: NetworkSettings;
  readonly metadata: Readonly<Record<string, string>>;
  readonly envVars: Readonly<Record<string, string>>;
  /** Where the caller asked for other sizes than the template's. */
  readonly wanted: { readonly cpuCount?: number; readonly memoryMiB?: number; readonly diskMiB?: number };
}

/** Reads the body of a create request. Throws `invalid_request`, or `not_implemented` with the field's name. */
export function readCreateRequest(
  body: CreateBody,
  options: { version: 'v1' | 'v2'; alwaysSecure: boolean; limits: ControlLimits },
): CreateRequest {
  const { version, limits } = options;
  refuseWhatIsLater(body);
  const timeoutSeconds = body.timeout ?? (version === 'v2' ? DEFAULT_TIMEOUT_SECONDS_V2 : DEFAULT_TIMEOUT_SECONDS_V1);
  if (timeoutSeconds <= 0) throw invalid('timeout must be greater than 0');
  checkTimeout(timeoutSeconds, limits);
  const secure = version === 'v2' || body.secure === true || options.alwaysSecure;
  const network = readNetwork(body.network, body.allow_internet_access);
  if (network.allowPublicTraffic === false && !secure) {
    throw invalid('network.allowPublicTraffic false needs secure: true on this route');
  }
  for (const name of Object.keys(body.envVars ?? {})) {
    if (name === '' || name.includes('=')) throw invalid(`envVars has the invalid name ${JSON.stringify(name)}`);
  }
  return {
    template: body.templateID,
    timeoutSeconds,
    secure,
    network,
    metadata: body.metadata ?? {},
    envVars: body.envVars ?? {},
    wanted: {
      ...(body.cpuCount !== undefined && { cpuCount: body.cpuCount }),
      ...(body.memoryMB !== undefined && { memoryMiB: body.memoryMB }),
      ...(body.diskSizeMB !== undefined && { diskMiB: body.diskSizeMB }),
    },
  };
}

/** The sizes of the sandbox: what was asked for within the limits, else the build's. */
export function chooseResources(
  wanted: CreateRequest['wanted'],
  build: BuildSummary,
  limits: ControlLimits,
): Resources {
  const atMost = (field: string, value: number | undefined, maximum: number) => {
    if (value !== undefined && value > maximum) throw invalid(`${field} must be at most ${maximum}`);
  };
  atMost('cpuCount', wanted.cpuCount, limits.maxCpuCount);
  atMost('memoryMB', wanted.memoryMiB, limits.maxMemoryMiB);
  atMost('diskSizeMB', wanted.diskMiB, limits.maxDiskMiB);
  return { ...build.resources, ...wanted };
}

const SECONDS_PER_HOUR = 3600;

/** Throws `invalid_request` when a sandbox may not live that long. */
export function checkTimeout(seconds: number, limits: ControlLimits): void {
  if (seconds <= limits.maxTimeoutSeconds) return;
  const hours = limits.maxTimeoutSeconds / SECONDS_PER_HOUR;
  const longest = Number.isInteger(hours) ? `${hours} hours` : `${limits.maxTimeoutSeconds} seconds`;
  throw invalid(`Timeout cannot be greater than ${longest}`);
}

function refuseWhatIsLater(body: CreateBody): void {
  if (body.autoPauseMemory === false && (body.autoPause !== true || body.autoResume?.enabled === true)) {
    throw invalid('autoPauseMemory false needs autoPause true and no autoResume');
  }
  const later: readonly (readonly [string, boolean])[] = [
    ['autoPause', body.autoPause === true],
    ['autoResume', body.autoResume?.enabled === true],
    ['iam', Object.keys(body.iam?.tokens ?? {}).length > 0],
    ['volumeMounts', (body.volumeMounts ?? []).length > 0],
    ['volumes', (body.volumes ?? []).length > 0],
  ];
  for (const [field, asked] of later) {
    if (asked) throw new AtollError('not_implemented', `${field} is not implemented by this server yet.`);
  }
}

function invalid(message: string): AtollError {
  return new AtollError('invalid_request', `validation error: ${message}`);
}
