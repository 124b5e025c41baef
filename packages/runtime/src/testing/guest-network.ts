import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A network namespace with one veth pair: what a slot is to the node, without rules. */
export interface GuestNetwork {
  readonly namespacePath: string;
  readonly address: string;
  /** Puts address and routes back, which a runtime takes off the interface at each start. */
  prepareForStart(): Promise<void>;
  close(): Promise<void>;
}

/** `index` 0..63 chooses the addresses; `name` at most 10 characters. */
export async function makeGuestNetwork(name: string, index: number): Promise<GuestNetwork> {
  const gateway = `10.213.77.${index * 4 + 1}`;
  const address = `10.213.77.${index * 4 + 2}`;
  const host = `${name}h`;
  await ip('netns', 'add', name);
  await ip('link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  await ip('addr', 'add', `${gateway}/30`, 'dev', host);
  await ip('link', 'set', host, 'up');
  await ip('-n', name, 'link', 'set', 'lo', 'up');

  return {
    namespacePath: `/run/netns/${name}`,
    address,
    async prepareForStart() {
      await ip('-n', name, 'addr', 'replace', `${address}/30`, 'dev', 'eth0');
      await ip('-n', name, 'link', 'set', 'eth0', 'up');
      await ip('-n', name, 'route', 'replace', 'default', 'via', gateway);
    },
    async close() {
      await ip('netns', 'del', name);
      // The kernel removes the other end some time later; the next test wants the name now.
      await ip('link', 'del', host).catch(() => undefined);
    },
  };
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}
