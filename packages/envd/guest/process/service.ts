import { Process, type ProcessInput, type PTY, Signal, type StreamInputRequest } from '@atoll/contract/envd';
import { basicUserName } from '../access.ts';
import { EnvdError } from '../errors.ts';
import type { LogRing } from '../logs.ts';
import type { TerminalSize } from '../native/terminal.ts';
import { resolvePath } from '../paths.ts';
import { type Method, methodsOf } from '../rpc/method.ts';
import type { Settings } from '../settings.ts';
import { keepaliveInterval, type Subscription } from '../subscription.ts';
import { lookUpUser } from '../users.ts';
import { processEnvironment } from './environment.ts';
import { ManagedProcess, type ProcessEvent } from './managed-process.ts';
import type { ProcessTable } from './process-table.ts';
import { spawn } from './spawn.ts';

/** The service `process.Process`: the methods by path. */
export function processMethods(table: ProcessTable, settings: Settings, logs: LogRing): Map<string, Method> {
  return methodsOf(Process, {
    list: () => ({
      processes: table.list().map(({ config, pid, tag }) => ({ config, pid, ...(tag === undefined ? {} : { tag }) })),
    }),

    start(request, context) {
      const config = request.process;
      if (config === undefined || config.cmd === '') throw new EnvdError('invalid_argument', 'the process has no cmd');
      const user = lookUpUser(basicUserName(context.headers) ?? settings.defaultUser);
      const cwd = resolvePath(config.cwd ?? '', user, settings.defaultWorkdir);
      refuseNul([config.cmd, ...config.args, ...Object.entries(config.envs).flat()]);
      const spawned = spawn({
        cmd: config.cmd,
        args: config.args,
        env: processEnvironment(user, settings, config.envs),
        cwd: cwd === '' ? user.home : cwd,
        user,
        io:
          request.pty === undefined
            ? { kind: 'pipes', stdin: request.stdin ?? true }
            : { kind: 'pty', size: sizeOf(request.pty) },
      });
      const process = new ManagedProcess(spawned, config, request.tag);
      table.add(process);
      logLife(process, user.name, logs);
      killAt(process, context.timeoutMs);
      return responses(process.subscribe(keepaliveInterval(context.headers)));
    },

    connect: (request, context) =>
      responses(table.findWithEnded(request.process).subscribe(keepaliveInterval(context.headers))),

    update(request) {
      const process = table.find(request.process);
      if (request.pty !== undefined) process.resize(sizeOf(request.pty));
      return {};
    },

    async sendInput(request) {
      await writeInput(table.find(request.process), request.input);
      return {};
    },

    async streamInput(requests) {
      let process: ManagedProcess | undefined;
      for await (const { event } of requests) {
        if (event.case === 'start') process = table.find(event.value.process);
        else if (event.case === 'data') await writeInput(started(process), event.value.input);
        else refuseUnknownEvent(event);
      }
      return {};
    },

    sendSignal(request) {
      const process = table.find(request.process);
      if (request.signal === Signal.SIGKILL) process.signal('SIGKILL');
      else if (request.signal === Signal.SIGTERM) process.signal('SIGTERM');
      else throw new EnvdError('unimplemented', `invalid signal: ${request.signal}`);
      return {};
    },

    async closeStdin(request) {
      await table.find(request.process).closeStdin();
      return {};
    },
  });
}

/**
 * How long after its deadline a process is killed, in milliseconds: its stream has said `deadline_exceeded` by then.
 * A client must not read of the kill instead.
 */
const KILL_AFTER_DEADLINE_MS = 50;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The deadline of Start is the life of the process, whether or not its client is still there. */
function killAt(process: ManagedProcess, timeoutMs: number | undefined): void {
  if (timeoutMs === undefined) return;
  const timer = setTimeout(() => process.signal('SIGKILL'), Math.min(timeoutMs + KILL_AFTER_DEADLINE_MS, MAX_TIMER_MS));
  void process.ended.then(() => clearTimeout(timer));
}

function logLife(process: ManagedProcess, user: string, logs: LogRing): void {
  const fields = { pid: String(process.pid), user, cmd: [process.config.cmd, ...process.config.args].join(' ') };
  logs.add('info', 'process', `Process ${process.pid} started`, { event_type: 'process_start', ...fields });
  void process.ended.then(({ event }) => {
    const status = event?.case === 'end' ? (event.value.status ?? '') : '';
    logs.add('info', 'process', `Process ${process.pid} ended: ${status}`, {
      event_type: 'process_end',
      ...fields,
      status,
    });
  });
}

/** Start and Connect answer with the same events in messages of their own. */
function responses(events: Subscription<ProcessEvent>): AsyncIterator<{ event: ProcessEvent }> {
  return {
    async next() {
      const result = await events.next();
      return result.done ? result : { done: false, value: { event: result.value } };
    },
    async return() {
      await events.return();
      return { done: true, value: undefined };
    },
  };
}

function writeInput(process: ManagedProcess, input: ProcessInput | undefined): Promise<void> {
  const given = input?.input;
  if (given?.case === undefined) throw new EnvdError('unimplemented', 'invalid input type: neither stdin nor pty');
  return process.write(given.case, given.value);
}

function started(process: ManagedProcess | undefined): ManagedProcess {
  if (process === undefined) throw new EnvdError('invalid_argument', 'the first message must be a start event');
  return process;
}

function refuseUnknownEvent(event: StreamInputRequest['event']): void {
  if (event.case === undefined) throw new EnvdError('unimplemented', 'invalid event type');
}

function sizeOf(pty: PTY): TerminalSize {
  const { cols = 0, rows = 0 } = pty.size ?? {};
  // The kernel keeps 16 bits of each.
  return { cols: Math.min(cols, 65_535), rows: Math.min(rows, 65_535) };
}

function refuseNul(texts: readonly string[]): void {
  if (texts.some((text) => text.includes('\0'))) {
    throw new EnvdError('invalid_argument', 'command, arguments and variables must not contain NUL bytes');
  }
}
