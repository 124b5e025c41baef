import type { Command } from '../command.ts';
import { SETTINGS } from '../settings/schema.ts';
import { table } from '../terminal/table.ts';

/** The text of `atoll help`. */
export function helpOfAll(commands: readonly Command[]): string {
  return [
    'Atoll turns a Linux machine into a host of isolated sandboxes for E2B clients.',
    '',
    'Usage: atoll <command> [flags]',
    '',
    table([
      ...commands.map((command) => [`  ${command.name}`, command.summary]),
      ['  help [command]', 'This, or the flags of a command'],
    ]),
    '',
    'Start here: sudo ./atoll up',
    '',
  ].join('\n');
}

/** The text of `atoll help <command>`. */
export function helpOf(command: Command): string {
  const own = Object.entries(command.flags).map(([name, flag]) => [
    `  --${name}${flag.type === 'string' ? ' <value>' : ''}`,
    flag.description,
  ]);
  const settings = SETTINGS.map((setting) => [
    `  --${setting.flag}${setting.kind === 'boolean' ? '' : ` <${setting.kind}>`}`,
    `${setting.description}${shownDefault(setting.default)}`,
    setting.variable,
  ]);
  return [
    `atoll ${command.name}: ${command.summary}`,
    ...(own.length === 0 ? [] : ['', 'Flags:', table(own)]),
    '',
    'Settings (flag, meaning, variable); also keys of --config <file>, by default /etc/atoll/config.toml:',
    table(settings),
    '',
  ].join('\n');
}

function shownDefault(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  return ` (default ${String(value)})`;
}
