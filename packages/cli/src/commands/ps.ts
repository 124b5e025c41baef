import { listSandboxes } from '../client/api.ts';
import type { Command } from '../command.ts';
import { requireServer } from '../server/server-state.ts';
import { table } from '../terminal/table.ts';

export const ps: Command = {
  name: 'ps',
  summary: 'List the running sandboxes',
  flags: { json: { type: 'boolean', description: 'As JSON' } },
  async run({ loaded, flags }) {
    const sandboxes = await listSandboxes(requireServer(loaded.settings));
    if (flags.json === true) {
      process.stdout.write(`${JSON.stringify(sandboxes, null, 2)}\n`);
      return 0;
    }
    const rows = sandboxes.map((sandbox) => [
      sandbox.sandboxID,
      sandbox.alias ?? sandbox.templateID,
      sandbox.state,
      sandbox.startedAt,
      sandbox.endAt,
      `${sandbox.cpuCount} CPU`,
      `${sandbox.memoryMB} MiB`,
    ]);
    process.stdout.write(`${table([['SANDBOX', 'TEMPLATE', 'STATE', 'STARTED', 'ENDS', 'CPU', 'MEMORY'], ...rows])}\n`);
    return 0;
  },
};
