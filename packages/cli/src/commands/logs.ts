import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { lastLines, logFile } from '../server/log-file.ts';
import { prettyLine } from '../terminal/log-stream.ts';

const DEFAULT_LINES = 100;

export const logs: Command = {
  name: 'logs',
  summary: 'Print the log of a server started with --detach',
  flags: {
    follow: { type: 'boolean', description: 'Go on as lines are written' },
    lines: { type: 'string', description: `How many of the last lines (default ${DEFAULT_LINES})` },
  },
  async run({ loaded, flags }) {
    const { dataDir, jsonLogs } = loaded.settings;
    const count = Number(flags.lines ?? DEFAULT_LINES);
    if (!Number.isInteger(count) || count < 1) throw new CliError('--lines must be a whole number from 1.');
    const print = (line: string) => process.stdout.write(`${jsonLogs ? line : prettyLine(line)}\n`);
    if (flags.follow !== true) {
      for (const line of lastLines(dataDir, count)) print(line);
      return 0;
    }
    // tail follows the file through rotation; a program of our own would do no better.
    const tail = spawn('tail', ['-n', String(count), '-F', logFile(dataDir)], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface(tail.stdout).on('line', print);
    await once(tail, 'close');
    return 0;
  },
};
