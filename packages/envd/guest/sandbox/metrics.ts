import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const MIB = 1024 * 1024;

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Reads what the guest uses of its resources. CPU is counted since the previous reading. */
export class ResourceMeter {
  #previous = readCpuTimes();

  /** The body of GET /metrics. */
  read(): Record<string, number> {
    const cpu = readCpuTimes();
    const total = cpu.total - this.#previous.total;
    const used = total > 0 ? (100 * (cpu.busy - this.#previous.busy)) / total : 0;
    this.#previous = cpu;
    const memory = readMemory();
    const disk = statfsSync('/');
    const diskTotal = disk.blocks * disk.bsize;
    return {
      ts: Math.floor(Date.now() / 1000),
      cpu_count: availableParallelism(),
      cpu_used_pct: Math.round(used * 100) / 100,
      mem_total: memory.total,
      mem_used: memory.used,
      mem_cache: memory.cache,
      mem_total_mib: Math.floor(memory.total / MIB),
      mem_used_mib: Math.floor(memory.used / MIB),
      disk_used: diskTotal - disk.bavail * disk.bsize,
      disk_total: diskTotal,
    };
  }
}

/** The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
function readCpuTimes(): CpuTimes {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.trim().split(/\s+/) ?? [];
  const times = fields.slice(0, 8).map(Number);
  const total = times.reduce((sum, time) => sum + time, 0);
  const idle = (times[3] ?? 0) + (times[4] ?? 0);
  return { busy: total - idle, total };
}

function readMemory(): { total: number; used: number; cache: number } {
  const bytes = new Map(
    [...readFileSync('/proc/meminfo', 'utf8').matchAll(/^(\w+):\s+(\d+) kB$/gm)].map(([, name = '', kib]) => [
      name,
      Number(kib) * 1024,
    ]),
  );
  const total = bytes.get('MemTotal') ?? 0;
  const available = bytes.get('MemAvailable') ?? bytes.get('MemFree') ?? 0;
  return { total, used: total - available, cache: bytes.get('Cached') ?? 0 };
}
