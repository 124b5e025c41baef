import type { Command } from '../command.ts';
import { VERSION } from '../version.ts';

export const version: Command = {
  name: 'version',
  summary: 'Print the version',
  flags: {},
  async run() {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  },
};
