import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CLIENTS } from '../conformance/clients.ts';
import { type Bench, measure } from './measurement.ts';
import { timed } from './statistics.ts';

const CLIENT = 'js-2.51.0';

/** The part of the official JavaScript SDK that is used here. */
interface OfficialSdk {
  readonly Sandbox: {
    create(options: object): Promise<{
      readonly commands: { run(command: string): Promise<{ stdout: string }> };
      kill(): Promise<boolean>;
    }>;
  };
}

/** The same path with the official SDK instead of our lean client: what its users see. */
export async function officialClient(bench: Bench): Promise<void> {
  const installer = CLIENTS.find((client) => client.id === CLIENT);
  if (installer === undefined) throw new Error(`there is no client ${CLIENT}`);
  const cache = process.env.ATOLL_CONFORMANCE_CACHE ?? join(homedir(), '.cache', 'atoll-conformance');
  const folder = join(cache, CLIENT);
  await installer.install(folder);
  const sdk: OfficialSdk = createRequire(join(folder, 'package.json'))('e2b');
  const { apiUrl, sandboxUrl, apiKey } = bench.atoll;
  await measure(bench, `create to first command done, SDK e2b ${CLIENT.slice(3)}`, bench.quick ? 10 : 50, async () => {
    await bench.poolFull();
    let kill: (() => Promise<boolean>) | undefined;
    const milliseconds = await timed(async () => {
      const sandbox = await sdk.Sandbox.create({ apiUrl, sandboxUrl, apiKey });
      kill = () => sandbox.kill();
      await sandbox.commands.run('true');
    });
    await kill?.();
    return milliseconds;
  });
}
