import type { Command } from '../command.ts';
import { requireServer } from '../server/server-state.ts';
import { table } from '../terminal/table.ts';

export const status: Command = {
  name: 'status',
  summary: 'Print where the server is and the keys to it',
  flags: { json: { type: 'boolean', description: 'As JSON' } },
  async run({ loaded, flags }) {
    const { apiUrl, sandboxUrl, domain, apiKey, accessToken, runtime, version, pid } = requireServer(loaded.settings);
    const shown = { apiUrl, sandboxUrl, domain, apiKey, accessToken, runtime, version, pid };
    process.stdout.write(
      flags.json === true
        ? `${JSON.stringify(shown, null, 2)}\n`
        : `${table(Object.entries(shown).map(([name, value]) => [name, String(value ?? '-')]))}\n`,
    );
    return 0;
  },
};
