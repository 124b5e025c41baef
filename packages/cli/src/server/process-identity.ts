import { readFileSync } from 'node:fs';

/** Names a process for good: a number alone is given to another process later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the host's boot to the start of the process. */
  readonly startTicks: number;
}

/** When a process started, in clock ticks since boot; undefined when there is no such process (or only its corpse). */
export function startTicksOf(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses, and may itself contain spaces and parentheses (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z') return undefined;
  return Number(fields[19]);
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 };
}

/** Whether that very process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return startTicksOf(identity.pid) === identity.startTicks;
}
