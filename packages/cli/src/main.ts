import { describeFailure } from './cli-error.ts';
import { type Command, readCommandLine } from './command.ts';

/** Commands by name; each is loaded only when it is called, so that small ones start fast. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./commands/up.ts')).up,
  status: async () => (await import('./commands/status.ts')).status,
  down: async () => (await import('./commands/down.ts')).down,
  demo: async () => (await import('./commands/demo.ts')).demo,
  ps: async () => (await import('./commands/ps.ts')).ps,
  logs: async () => (await import('./commands/logs.ts')).logs,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  prepare: async () => (await import('./commands/prepare.ts')).prepare,
  version: async () => (await import('./commands/version.ts')).version,
};

async function run(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (name === '--version' || name === '-v') return run(['version', ...rest]);
  if (name === 'help' || name === '--help' || name === '-h') return printHelp(rest[0]);
  const load = COMMANDS[name];
  if (load === undefined) {
    process.stderr.write(`atoll: there is no command "${name}".\n`);
    await printHelp(undefined, process.stderr);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) return printHelp(name);
  const command = await load();
  return command.run(await readCommandLine(command, rest));
}

async function printHelp(topic: string | undefined, stream: NodeJS.WritableStream = process.stdout): Promise<number> {
  const { helpOfAll, helpOf } = await import('./commands/help.ts');
  const load = topic === undefined ? undefined : COMMANDS[topic];
  const commands = await Promise.all(Object.values(COMMANDS).map((one) => one()));
  stream.write(load === undefined ? helpOfAll(commands) : helpOf(await load()));
  return 0;
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`atoll: ${describeFailure(error)}\n`);
  process.exitCode = 1;
}
