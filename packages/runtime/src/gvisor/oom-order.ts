import { writeFile } from 'node:fs/promises';

/** Scores of proc(5), oom_score_adj: -1000 (never) to 1000 (first). */
const SCORE_KERNEL = -900;
const SCORE_FIRST_PROCESSES = 500;
const SCORE_LATER_PROCESSES = 1000;

/**
 * Tells the host whom to end first when a guest is out of memory: programs started later, then what the guest started
 * with (our daemon), and its kernel, without which all of it is gone, last. Best effort.
 *
 * A guest process is a host process made by copying one template process, the first one beside the kernel; later ones
 * inherit the template's score.
 */
export async function orderOutOfMemory(group: readonly number[], guestKernel: readonly number[]): Promise<void> {
  const [template, ...first] = group.filter((pid) => !guestKernel.includes(pid)).toSorted((a, b) => a - b);
  await Promise.all([
    // Below zero needs CAP_SYS_RESOURCE, which not every root has.
    ...guestKernel.map((pid) => writeScore(pid, SCORE_KERNEL).catch(() => undefined)),
    ...(template === undefined ? [] : [writeScore(template, SCORE_LATER_PROCESSES)]),
    ...first.map((pid) => writeScore(pid, SCORE_FIRST_PROCESSES)),
  ]);
}

async function writeScore(pid: number, score: number): Promise<void> {
  try {
    await writeFile(`/proc/${pid}/oom_score_adj`, String(score), { flag: 'r+' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Ended meanwhile.
    if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
  }
}
