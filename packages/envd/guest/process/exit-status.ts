/** How a process ended, in the words clients know: those of Go's os/exec, some of which they compare. */
export interface ExitStatus {
  /** -1 when a signal ended it. */
  readonly exitCode: number;
  readonly exited: boolean;
  readonly status: string;
  /** Absent for exit code 0. */
  readonly error?: string;
}

const SIGNAL_WORDS: Readonly<Record<string, string>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGUSR1: 'user defined signal 1',
  SIGSEGV: 'segmentation fault',
  SIGUSR2: 'user defined signal 2',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
  SIGXCPU: 'CPU time limit exceeded',
  SIGXFSZ: 'file size limit exceeded',
  SIGSYS: 'bad system call',
};

export function exitStatus(exitCode: number | null, signal: string | number | null): ExitStatus {
  if (signal !== null) {
    const status = `signal: ${SIGNAL_WORDS[signal] ?? String(signal).toLowerCase()}`;
    return { exitCode: -1, exited: false, status, error: status };
  }
  const status = `exit status ${exitCode ?? 0}`;
  return { exitCode: exitCode ?? 0, exited: true, status, ...(exitCode === 0 ? {} : { error: status }) };
}
