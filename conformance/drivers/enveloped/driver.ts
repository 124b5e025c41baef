/**
 * Speaks the dialect of the community Ruby client, whose gem is in no registry within reach: every unary call goes
 * first as an enveloped streaming call and again as plain JSON after a 415, enums are numbers, uploads are multipart
 * with the file name `upload` and the destination in the query, times are ISO 8601, and bodyless POSTs have no body.
 */
import assert from 'node:assert/strict';
import { eventually, NotApplicable, runOperations } from '../harness.ts';
import { type Answer, api, files, type Sandbox, stream, unary } from './wire.ts';

const UNKNOWN_SANDBOX = 'i0000000000000000000';
const SIGKILL_NUMBER = 9;
/** EventType of filesystem.proto. */
const EVENT_CREATE = 'EVENT_TYPE_CREATE';

let shared: Sandbox | undefined;

async function create(body: object = {}): Promise<Sandbox> {
  const answer = await api('POST', '/sandboxes', { templateID: 'base', timeout: 300, secure: true, ...body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json<Sandbox>();
}

async function sandbox(): Promise<Sandbox> {
  shared ??= await create();
  return shared;
}

const remove = (target: Sandbox): Promise<Answer> => api('DELETE', `/sandboxes/${target.sandboxID}`);

function expectStatus(answer: Answer, status: number): Answer {
  assert.equal(answer.status, status, answer.text);
  return answer;
}

await runOperations(
  {
    create: async () => {
      const made = await sandbox();
      assert.match(made.envdAccessToken ?? '', /./);
      assert.match(made.clientID, /./);
    },
    'create-options': async () => {
      const made = await create({
        allow_internet_access: true,
        autoPause: false,
        metadata: { client: 'ruby' },
        envVars: { GREETING: 'grüezi' },
      });
      const ended = await stream(made, { cmd: '/bin/bash', args: ['-l', '-c', 'echo -n $GREETING'] });
      assert.equal(ended.stdout, 'grüezi');
      await remove(made);
    },
    connect: async () => {
      const made = await sandbox();
      const answer = await api('POST', `/sandboxes/${made.sandboxID}/connect`, { timeout: 300 });
      assert.equal(expectStatus(answer, 200).json<Sandbox>().sandboxID, made.sandboxID);
    },
    list: async () => {
      const made = await sandbox();
      for (const query of ['state=running&state=paused', 'state%5B%5D=running', 'state=running,paused']) {
        const answer = expectStatus(await api('GET', `/v2/sandboxes?${query}`), 200);
        const ids = answer.json<Sandbox[]>().map((item) => item.sandboxID);
        assert.ok(ids.includes(made.sandboxID), query);
      }
    },
    'list-paging': async () => {
      const pair = await Promise.all([create({ metadata: { page: 'rb' } }), create({ metadata: { page: 'rb' } })]);
      const first = expectStatus(await api('GET', '/v2/sandboxes?metadata=page%3Drb&limit=1'), 200);
      const next = first.headers.get('x-next-token');
      assert.ok(next !== null, 'a next page is announced');
      const second = await api('GET', `/v2/sandboxes?metadata=page%3Drb&limit=1&nextToken=${encodeURIComponent(next)}`);
      assert.equal(expectStatus(second, 200).json<Sandbox[]>().length, 1);
      await Promise.all(pair.map(remove));
    },
    info: async () => {
      const made = await sandbox();
      const answer = expectStatus(await api('GET', `/sandboxes/${made.sandboxID}`), 200);
      assert.equal(answer.json<{ state: string }>().state, 'running');
    },
    'set-timeout': async () => {
      const made = await sandbox();
      expectStatus(await api('POST', `/sandboxes/${made.sandboxID}/timeout`, { timeout: 300 }), 204);
    },
    refresh: async () => {
      const made = await sandbox();
      expectStatus(await api('POST', `/sandboxes/${made.sandboxID}/refreshes`), 204);
    },
    metrics: async () => {
      const made = await sandbox();
      const from = encodeURIComponent(new Date(Date.now() - 600_000).toISOString());
      const until = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
      await eventually('a sample', async () => {
        const answer = await api('GET', `/sandboxes/${made.sandboxID}/metrics?start=${from}&end=${until}`);
        return expectStatus(answer, 200).json<object[]>()[0];
      });
    },
    logs: async () => {
      const made = await sandbox();
      await eventually('log lines', async () => {
        const answer = await api('GET', `/sandboxes/${made.sandboxID}/logs?limit=10`);
        const [line] = expectStatus(answer, 200).json<{ logs: { line: string }[] }>().logs;
        return line === undefined ? undefined : JSON.parse(line.line);
      });
    },
    'error-template': async () => {
      const answer = expectStatus(await api('POST', '/sandboxes', { templateID: 'no-such-template' }), 404);
      assert.match(answer.json<{ message: string }>().message, /no-such-template/);
    },
    'error-unknown-sandbox': async () => {
      const answer = expectStatus(await api('GET', `/sandboxes/${UNKNOWN_SANDBOX}`), 404);
      assert.equal(answer.json<{ code: number }>().code, 404);
    },
    kill: async () => {
      const made = await create();
      expectStatus(await remove(made), 204);
      expectStatus(await remove(made), 404);
    },
    'commands-run': async () => {
      const ended = await stream(await sandbox(), { cmd: '/bin/bash', args: ['-l', '-c', 'echo out; exit 3'] });
      assert.deepEqual([ended.stdout, ended.end?.exitCode, ended.end?.error], ['out\n', 3, 'exit status 3']);
    },
    'commands-background': async () => {
      const made = await sandbox();
      const ended = await stream(made, { cmd: '/bin/sleep', args: ['100'] }, async (pid) => {
        const listed = await unary<{ processes?: { pid: number }[] }>(made, 'process.Process/List', {});
        assert.ok(listed.processes?.some((process) => process.pid === pid));
        await unary(made, 'process.Process/SendSignal', { process: { pid }, signal: SIGKILL_NUMBER });
      });
      assert.deepEqual([ended.end?.exitCode, ended.end?.error], [-1, 'signal: killed']);
    },
    'commands-stdin': async () => {
      const made = await sandbox();
      const ended = await stream(made, { cmd: '/bin/cat' }, async (pid) => {
        const stdin = Buffer.from('typed ü\n').toString('base64');
        await unary(made, 'process.Process/SendInput', { process: { pid }, input: { stdin } });
        await unary(made, 'process.Process/CloseStdin', { process: { pid } });
      });
      assert.equal(ended.stdout, 'typed ü\n');
    },
    'pty-input': async () => {
      const made = await sandbox();
      const pty = { size: { cols: 80, rows: 24 } };
      const command = { cmd: '/bin/bash', args: ['-i', '-l'], envs: { TERM: 'xterm-256color' } };
      const ended = await stream(
        made,
        command,
        async (pid) => {
          const keys = Buffer.from('stty size; exit 7\n').toString('base64');
          await unary(made, 'process.Process/SendInput', { process: { pid }, input: { pty: keys } });
        },
        { pty },
      );
      assert.match(ended.stdout, /24 80/);
      assert.equal(ended.end?.exitCode, 7);
    },
    'files-text': async () => {
      const made = await sandbox();
      expectStatus(await files.upload(made, '/home/user/ruby/text.txt', 'grüezi\n'), 200);
      assert.equal(expectStatus(await files.download(made, '/home/user/ruby/text.txt'), 200).text, 'grüezi\n');
    },
    'files-list': async () => {
      const made = await sandbox();
      expectStatus(await files.upload(made, '/home/user/ruby-list/a/b.txt', 'x'), 200);
      const listed = await unary<{ entries?: { path: string }[] }>(made, 'filesystem.Filesystem/ListDir', {
        path: '/home/user/ruby-list',
        depth: 2,
      });
      const paths = listed.entries?.map((entry) => entry.path);
      assert.deepEqual(paths, ['/home/user/ruby-list/a', '/home/user/ruby-list/a/b.txt']);
    },
    'files-info': async () => {
      const made = await sandbox();
      const stat = await unary<{ entry: { type: string } }>(made, 'filesystem.Filesystem/Stat', { path: '/etc' });
      assert.equal(stat.entry.type, 'FILE_TYPE_DIRECTORY');
    },
    'watch-polling': async () => {
      const made = await sandbox();
      await unary(made, 'filesystem.Filesystem/MakeDir', { path: '/home/user/ruby-watch' });
      const { watcherId } = await unary<{ watcherId: string }>(made, 'filesystem.Filesystem/CreateWatcher', {
        path: '/home/user/ruby-watch',
        recursive: false,
      });
      expectStatus(await files.upload(made, '/home/user/ruby-watch/a', 'x'), 200);
      await eventually('the event', async () => {
        const { events } = await unary<{ events?: { name: string; type: string }[] }>(
          made,
          'filesystem.Filesystem/GetWatcherEvents',
          { watcherId },
        );
        return events?.find((event) => event.name === 'a' && event.type === EVENT_CREATE);
      });
      await unary(made, 'filesystem.Filesystem/RemoveWatcher', { watcherId });
    },
    'network-update': async () => {
      throw new NotApplicable('the client has no such call');
    },
  },
  process.argv.slice(2),
);
if (shared !== undefined) await remove(shared);
process.exit(0);
