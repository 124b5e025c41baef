import { parseArgs } from 'node:util';
import { CliError } from './cli-error.ts';
import { type LoadedSettings, loadSettings } from './settings/load.ts';
import { SETTINGS } from './settings/schema.ts';

/** One command of the CLI. */
export interface Command {
  readonly name: string;
  /** One line for `atoll help`. */
  readonly summary: string;
  /** Flags of its own, beside the settings that every command takes. */
  readonly flags: Readonly<Record<string, FlagDescription>>;
  /** Returns the exit code. */
  run(input: CommandInput): Promise<number>;
}

export interface FlagDescription {
  readonly type: 'boolean' | 'string';
  readonly description: string;
}

/** What a command was called with. */
export interface CommandInput {
  readonly loaded: LoadedSettings;
  /** Values of the command's own flags. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  /** Arguments that are no flags. */
  readonly positionals: readonly string[];
}

/**
 * Reads the arguments of a command with node:util's parseArgs: it refuses unknown flags by name, which is all we ask of a
 * parser; the rest is in the settings' schema.
 */
export async function readCommandLine(command: Command, args: readonly string[]): Promise<CommandInput> {
  const options: Record<string, { type: 'boolean' | 'string' }> = {
    config: { type: 'string' },
    help: { type: 'boolean' },
  };
  for (const setting of SETTINGS) options[setting.flag] = { type: setting.kind === 'boolean' ? 'boolean' : 'string' };
  for (const [name, flag] of Object.entries(command.flags)) options[name] = { type: flag.type };
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, allowNegative: true });
  } catch (error) {
    // parseArgs adds advice about `--` that does not help here.
    const message = (error as Error).message.split(/\. (?=To specify|If you|Did you)/)[0] ?? '';
    throw new CliError(`${message.replace(/\.$/, '')}.`, { remedy: `atoll help ${command.name}` });
  }
  const values = parsed.values as Record<string, string | boolean | undefined>;
  const configFile = typeof values.config === 'string' ? values.config : undefined;
  const loaded = await loadSettings({ flags: values, environment: process.env, configFile });
  return { loaded, flags: values, positionals: parsed.positionals };
}
