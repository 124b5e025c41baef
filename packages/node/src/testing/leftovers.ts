import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Everything on the host that belongs to one instance, by kind. Nothing of an empty kind is listed. */
export type Leftovers = Readonly<Record<string, readonly string[]>>;

/**
 * What an instance has on the host now. Slots of the network's own pool are not counted: an open node keeps some ready.
 * `keep`: sandboxes that are meant to be there.
 */
export async function findLeftovers(
  where: { instance: string; dataDir: string },
  keep: readonly string[] = [],
): Promise<Leftovers> {
  const { dataDir } = where;
  const isForeign = (text: string) => !keep.some((id) => text.includes(id));
  const kinds: Record<string, string[]> = {
    mounts: (await mountPoints()).filter((path) => path.startsWith(`${dataDir}/`)),
    loopDevices: await loopDevicesBelow(dataDir),
    controlGroups: await controlGroupsBelow(`atoll-${where.instance}`),
    processes: await processesNaming(dataDir),
    sandboxes: await list(join(dataDir, 'sandboxes')),
    disks: await list(join(dataDir, 'disks')),
    journal: await list(join(dataDir, 'journal')),
    guests: await list(join(dataDir, 'runtime', 'guests')),
    unfinished: [...(await list(join(dataDir, 'builds'))), ...(await list(join(dataDir, 'layers')))].filter((name) =>
      name.endsWith('.partial'),
    ),
  };
  // Shared by all guests, gone with the last one.
  if (keep.length > 0) kinds.mounts = (kinds.mounts ?? []).filter((path) => basename(path) !== 'null-netns');
  const found = Object.entries(kinds).map(([kind, names]) => [kind, names.filter(isForeign)] as const);
  return Object.fromEntries(found.filter(([, names]) => names.length > 0));
}

/** Network namespaces and host interfaces of an instance. */
export async function findNetwork(instance: string): Promise<string[]> {
  const namespaces = (await list('/run/netns')).filter((name) => name.startsWith(`${instance}-`));
  const links = (await list('/sys/class/net')).filter((name) => name.startsWith(`${instance}h`));
  return [...namespaces, ...links];
}

async function mountPoints(): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '');
}

async function loopDevicesBelow(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const device of (await list('/sys/block')).filter((name) => name.startsWith('loop'))) {
    const file = await readFile(`/sys/block/${device}/loop/backing_file`, 'utf8').catch(() => '');
    if (file.startsWith(`${directory}/`)) found.push(`${device} ${file.trim()}`);
  }
  return found;
}

async function controlGroupsBelow(parent: string): Promise<string[]> {
  const hierarchies = ['', ...(await list('/sys/fs/cgroup'))].map((name) => join('/sys/fs/cgroup', name, parent));
  const found: string[] = [];
  for (const folder of new Set(hierarchies)) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) found.push(join(folder, entry.name));
  }
  return found;
}

/** Processes whose command line or root names the folder, other than this one. */
async function processesNaming(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await list('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    const root = await readlink(`/proc/${pid}/root`).catch(() => '');
    if (commandLine.includes(`${directory}/`) || root.startsWith(directory)) found.push(`${pid} ${commandLine}`);
  }
  return found;
}

function list(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
