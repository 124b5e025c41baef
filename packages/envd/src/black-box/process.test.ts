import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ConnectResponse,
  Process,
  Signal,
  type StartRequestSchema,
  type StartResponse,
} from '@atoll/contract/envd';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type CallError, type CallOptions, call, envelope, stream } from './connect-client.ts';
import { eventually } from './eventually.ts';
import { type Guest, startGuest } from './guest.ts';

interface StartOptions {
  readonly process?: { cmd: string; args: string[]; envs?: Record<string, string>; cwd?: string };
  readonly stdin?: boolean;
  readonly tag?: string;
}

interface Result {
  pid: number;
  stdout: string;
  stderr: string;
  pty: string;
  keepalives: number;
  exitCode: number | undefined;
  status: string | undefined;
  error: string | undefined;
}

describe('processes', () => {
  let guest: Guest;
  before(async () => {
    guest = await startGuest();
  });
  after(() => guest.close());

  const shell = (script: string) => ({ cmd: '/bin/bash', args: ['-c', script] });

  async function run(script: string, options: CallOptions & { start?: StartOptions } = {}): Promise<Result> {
    const message: MessageInitShape<typeof StartRequestSchema> = {
      process: shell(script),
      stdin: false,
      ...options.start,
    };
    return collect(stream(guest, Process.method.start, message, { user: 'user', ...options }));
  }

  async function collect(events: AsyncGenerator<StartResponse | ConnectResponse>): Promise<Result> {
    const result: Result = {
      pid: 0,
      stdout: '',
      stderr: '',
      pty: '',
      keepalives: 0,
      exitCode: undefined,
      status: undefined,
      error: undefined,
    };
    for await (const { event } of events) {
      switch (event?.event.case) {
        case 'start':
          result.pid = event.event.value.pid;
          break;
        case 'data': {
          const { output } = event.event.value;
          if (output.case !== undefined) result[output.case] += Buffer.from(output.value).toString('utf8');
          break;
        }
        case 'keepalive':
          result.keepalives += 1;
          break;
        case 'end':
          result.exitCode = event.event.value.exitCode;
          result.status = event.event.value.status;
          result.error = event.event.value.error;
          break;
        default:
          break;
      }
    }
    return result;
  }

  for (const codec of ['json', 'proto'] as const) {
    test(`a command's output and exit code arrive with the ${codec} codec`, async () => {
      const result = await run('echo out; echo err >/dev/stderr; exit 3', { codec });
      assert.equal(result.stdout, 'out\n');
      assert.equal(result.stderr, 'err\n');
      assert.equal(result.exitCode, 3);
      assert.equal(result.status, 'exit status 3');
      assert.equal(result.error, 'exit status 3');
    });
  }

  test('a command runs as the asked user, with its groups and without any capability', async () => {
    const result = await run('id; grep CapEff /proc/self/status; cat /etc/shadow 2>&1 | tail -1');
    assert.match(result.stdout, /uid=1000\(user\) gid=1000\(user\) groups=1000\(user\),27\(sudo\)/);
    assert.match(result.stdout, /CapEff:\s0000000000000000/);
    assert.match(result.stdout, /Permission denied/);
    const root = await run('id -u', { user: 'root' });
    assert.equal(root.stdout, '0\n');
  });

  test('an unknown user is refused as unauthenticated', async () => {
    await assert.rejects(run('true', { user: 'nobody-here' }), (error: CallError) => error.code === 'unauthenticated');
  });

  test('the environment holds the account, the defaults and what was asked for, and nothing of envd', async () => {
    const result = await run('env; pwd', { start: { process: { ...shell('env; pwd'), envs: { ASKED: 'yes' } } } });
    assert.match(result.stdout, /^HOME=\/home\/user$/m);
    assert.match(result.stdout, /^USER=user$/m);
    assert.match(result.stdout, /^LOGNAME=user$/m);
    assert.match(result.stdout, /^ASKED=yes$/m);
    assert.match(result.stdout, /^E2B_SANDBOX=true$/m);
    assert.doesNotMatch(result.stdout, /LD_LIBRARY_PATH/);
    assert.match(result.stdout, /^\/home\/user$/m);
  });

  test('a missing working directory is refused', async () => {
    await assert.rejects(
      run('true', { start: { process: { ...shell('true'), cwd: '/nowhere' } } }),
      (error: CallError) => error.code === 'invalid_argument' && error.message === "cwd '/nowhere' does not exist",
    );
  });

  test('a missing program ends with 127 like in a shell', async () => {
    const result = await run('', { start: { process: { cmd: 'no-such-program', args: [] } } });
    assert.equal(result.exitCode, 127);
    assert.match(result.stderr, /no-such-program.*not found/);
  });

  test('a process killed by SIGKILL or SIGTERM ends with -1 and the words clients compare', async () => {
    for (const [signal, words] of [
      [Signal.SIGKILL, 'signal: killed'],
      [Signal.SIGTERM, 'signal: terminated'],
    ] as const) {
      const events = stream(guest, Process.method.start, { process: shell('exec sleep 60'), tag: 'to-kill' });
      const first = await events.next();
      assert.equal(first.value?.event?.event.case, 'start');
      await call(guest, Process.method.sendSignal, {
        process: { selector: { case: 'tag', value: 'to-kill' } },
        signal,
      });
      const result = await collect(events);
      assert.equal(result.exitCode, -1);
      assert.equal(result.status, words);
      assert.equal(result.error, words);
    }
  });

  test('a kill ends the stream although a descendant still holds the output open', async () => {
    const events = stream(guest, Process.method.start, { process: shell('sleep 30 & exec sleep 31'), tag: 'holder' });
    await events.next();
    const selector = { selector: { case: 'tag', value: 'holder' } } as const;
    await call(guest, Process.method.sendSignal, { process: selector, signal: Signal.SIGKILL });
    const result = await collect(events);
    assert.equal(result.status, 'signal: killed');
  });

  test('the end waits for background children that hold the output', async () => {
    const result = await run('(sleep 0.3; echo late) & echo early');
    assert.equal(result.stdout, 'early\nlate\n');
  });

  test('a deadline kills the process and ends the stream with deadline_exceeded', async () => {
    const started = Date.now();
    await assert.rejects(
      run('exec sleep 60', { headers: { 'connect-timeout-ms': '200' }, start: { tag: 'dead' } }),
      (error: CallError) => error.code === 'deadline_exceeded',
    );
    assert.ok(Date.now() - started < 5_000);
    await eventually(async () => {
      const { processes } = await call(guest, Process.method.list, {});
      assert.ok(!processes.some((process) => process.tag === 'dead'));
    });
  });

  test('a client that goes away does not kill the process, and another can attach', async () => {
    const events = stream(guest, Process.method.start, {
      process: shell('for i in 1 2 3 4 5 6; do sleep 0.1; echo $i; done'),
      tag: 'left',
    });
    await events.next();
    await events.return(undefined);
    const { processes } = await call(guest, Process.method.list, {});
    assert.equal(processes.find((process) => process.tag === 'left')?.config?.cmd, '/bin/bash');
    const attached = await collect(
      stream(guest, Process.method.connect, { process: { selector: { case: 'tag', value: 'left' } } }),
    );
    assert.match(attached.stdout, /6\n$/);
    assert.equal(attached.exitCode, 0);
    const late = await collect(
      stream(guest, Process.method.connect, { process: { selector: { case: 'pid', value: attached.pid } } }),
    );
    assert.equal(late.pid, attached.pid);
    assert.equal(late.status, 'exit status 0');
  });

  test('input reaches the process in order, and closing stdin ends it', async () => {
    const events = stream(guest, Process.method.start, { process: shell('cat; sleep 0.3'), tag: 'cat' });
    await events.next();
    const selector = { selector: { case: 'tag', value: 'cat' } } as const;
    for (const word of ['one ', 'two ', 'three']) {
      await call(guest, Process.method.sendInput, {
        process: selector,
        input: { input: { case: 'stdin', value: Buffer.from(word) } },
      });
    }
    await call(guest, Process.method.closeStdin, { process: selector });
    await call(guest, Process.method.closeStdin, { process: selector });
    const result = await collect(events);
    assert.equal(result.stdout, 'one two three');
  });

  test('streamed input is taken as it arrives', async () => {
    const events = stream(guest, Process.method.start, {
      process: shell('head -c 9; echo; exec cat'),
      tag: 'streamed',
    });
    await events.next();
    const outgoing = request(`${guest.url}/process.Process/StreamInput`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/connect+json' },
    });
    const answered = new Promise<string>((resolve, reject) => {
      outgoing.on('error', reject);
      outgoing.on('response', (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
        });
        answer.on('end', () => resolve(text));
      });
    });
    const send = (message: unknown) => outgoing.write(envelope(0, Buffer.from(JSON.stringify(message))));
    send({ start: { process: { tag: 'streamed' } } });
    for (const word of ['abc', 'def', 'ghi'])
      send({ data: { input: { stdin: Buffer.from(word).toString('base64') } } });
    // The process answers while the request is still open.
    const seen = await events.next();
    const data = seen.value?.event?.event;
    assert.equal(data?.case, 'data');
    send({ keepalive: {} });
    outgoing.end();
    assert.match(await answered, /\{\}.*\{\}/s);
    await call(guest, Process.method.sendSignal, {
      process: { selector: { case: 'tag', value: 'streamed' } },
      signal: Signal.SIGKILL,
    });
    await collect(events);
  });

  test('a terminal is the controlling one, has the asked size, can be resized, and hangs up at its end', async () => {
    const events = stream(
      guest,
      Process.method.start,
      {
        process: { cmd: '/bin/bash', args: ['--norc', '-i'], envs: { PS1: '' } },
        pty: { size: { cols: 90, rows: 30 } },
        tag: 'pty',
      },
      { user: 'user' },
    );
    await events.next();
    const selector = { selector: { case: 'tag', value: 'pty' } } as const;
    const type = (text: string) =>
      call(guest, Process.method.sendInput, {
        process: selector,
        input: { input: { case: 'pty', value: Buffer.from(text) } },
      });
    await type('stty size; tty; stat -c owner=%U $(tty)\n');
    let before = '';
    while (!/owner=\w+\r\n/.test(before)) before += ptyText((await events.next()).value);
    await call(guest, Process.method.update, { process: selector, pty: { size: { cols: 120, rows: 40 } } });
    await type('stty size; exit 4\n');
    const result = await collect(events);
    assert.match(before, /30 90\r\n/);
    assert.match(before, /\/dev\/pts\/\d+\r\n/);
    assert.match(before, /owner=user\r\n/);
    assert.match(result.pty, /40 120\r\n/);
    assert.equal(result.exitCode, 4);
  });

  test('what does not fit the process is refused with the right code', async () => {
    const selector = { selector: { case: 'pid', value: 999_999 } } as const;
    await assert.rejects(call(guest, Process.method.sendSignal, { process: selector, signal: Signal.SIGKILL }), {
      code: 'not_found',
    });
    await assert.rejects(call(guest, Process.method.sendSignal, { signal: Signal.SIGKILL }), { code: 'unimplemented' });
    const events = stream(guest, Process.method.start, { process: shell('exec sleep 30'), tag: 'plain', stdin: false });
    await events.next();
    const plain = { selector: { case: 'tag', value: 'plain' } } as const;
    const input = { input: { case: 'stdin', value: Buffer.from('x') } } as const;
    await assert.rejects(call(guest, Process.method.sendInput, { process: plain, input }), { code: 'internal' });
    await assert.rejects(call(guest, Process.method.update, { process: plain, pty: { size: { cols: 1, rows: 1 } } }), {
      code: 'internal',
    });
    await call(guest, Process.method.sendSignal, { process: plain, signal: Signal.SIGKILL });
    await collect(events);
  });

  test('keepalives come while a process is silent', async () => {
    const result = await run('sleep 2.5', { headers: { 'keepalive-ping-interval': '1' } });
    assert.ok(result.keepalives >= 1 && result.keepalives <= 2);
  });

  test('a slow client holds the process back, loses nothing, and costs bounded memory', async () => {
    const events = stream(guest, Process.method.start, {
      process: shell('head -c 100000000 /dev/zero | tr "\\0" x; echo end'),
      stdin: false,
      tag: 'flood',
    });
    await events.next();
    let size = 0;
    for (let count = 0; count < 5; count += 1) {
      const next = await events.next();
      const event = next.value?.event?.event;
      if (event?.case === 'data') size += event.value.output.value?.length ?? 0;
      await sleep(100);
    }
    const memory = await run("awk '/^RssAnon/ {print $2}' /proc/1/status", { user: 'root' });
    assert.ok(Number(memory.stdout) < 150_000, `envd holds ${memory.stdout.trim()} kB`);
    const rest = await collect(events);
    assert.equal(size + rest.stdout.length, 100_000_004);
    assert.equal(rest.exitCode, 0);
  });

  test('orphans are buried', async () => {
    await run('(sleep 0.1 &) ; (sleep 0.2 &) ; true', { user: 'root' });
    await eventually(async () => {
      const result = await run('ps -eo stat= | grep -c Z');
      assert.equal(result.stdout, '0\n');
    });
  });

  test('two hundred commands leave no open files behind', async () => {
    const count = async () => Number((await run('ls /proc/1/fd | wc -l', { user: 'root' })).stdout);
    const earlier = await count();
    for (let index = 0; index < 200; index += 1) await run('true', { start: { stdin: true } });
    await eventually(async () => assert.ok((await count()) <= earlier + 3));
  });
});

function ptyText(response: StartResponse | undefined): string {
  const event = response?.event?.event;
  assert.ok(event?.case === 'data' && event.value.output.case === 'pty', 'terminal output expected');
  return Buffer.from(event.value.output.value).toString('utf8');
}
