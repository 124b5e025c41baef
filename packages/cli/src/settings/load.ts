import { existsSync, readFileSync } from 'node:fs';
import { Value } from 'typebox/value';
import { CliError } from '../cli-error.ts';
import { SETTINGS, type SettingDescription, type Settings, SettingsSchema } from './schema.ts';

/** Read when neither `--config` nor `ATOLL_CONFIG` names another. */
export const DEFAULT_CONFIG_FILE = '/etc/atoll/config.toml';

export type Origin = 'flag' | 'environment' | 'config file' | 'default';

/** Settings, and for each where its value came from. */
export interface LoadedSettings {
  readonly settings: Settings;
  readonly origins: Readonly<Record<string, Origin>>;
  readonly configFile: string | undefined;
}

/** What was typed: values of flags by flag name, as text or, for switches, as booleans. */
export type FlagValues = Readonly<Record<string, string | boolean | undefined>>;

/** Puts settings together: flags win over variables, these over the configuration file, this over defaults. */
export async function loadSettings(input: {
  readonly flags: FlagValues;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Path of `--config`. */
  readonly configFile?: string | undefined;
}): Promise<LoadedSettings> {
  const configFile = chooseConfigFile(input.configFile ?? input.environment.ATOLL_CONFIG);
  const fromFile = configFile === undefined ? {} : await readConfigFile(configFile);
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  for (const setting of SETTINGS) {
    const flag = input.flags[setting.flag];
    const variable = input.environment[setting.variable];
    const [value, origin] =
      flag !== undefined
        ? [parseValue(setting, flag, `--${setting.flag}`), 'flag' as const]
        : variable !== undefined && variable !== ''
          ? [parseValue(setting, variable, setting.variable), 'environment' as const]
          : fromFile[setting.name] !== undefined
            ? [fromFile[setting.name], 'config file' as const]
            : [setting.default, 'default' as const];
    if (value !== undefined) values[setting.name] = value;
    origins[setting.name] = origin;
  }
  return { settings: check(values, origins), origins, configFile };
}

function chooseConfigFile(named: string | undefined): string | undefined {
  if (named === undefined) return existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined;
  if (!existsSync(named)) throw new CliError(`The configuration file ${named} does not exist.`);
  return named;
}

/** Reads TOML, or JSON when the name says so. Keys that name no setting are refused. */
async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  const text = readFileSync(path, 'utf8');
  let values: unknown;
  try {
    // Loaded only here: most starts have no file.
    values = path.endsWith('.json') ? JSON.parse(text) : (await import('smol-toml')).parse(text);
  } catch (cause) {
    throw new CliError(`The configuration file ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new CliError(`The configuration file ${path} is not a table of settings.`);
  }
  const known = new Set<string>(SETTINGS.map((setting) => setting.name));
  const unknown = Object.keys(values).filter((key) => !known.has(key));
  if (unknown.length > 0) {
    throw new CliError(`The configuration file ${path} has unknown settings: ${unknown.join(', ')}.`, {
      remedy: 'atoll help up   lists the settings',
    });
  }
  return values as Record<string, unknown>;
}

/** Turns text into the type of the setting. Whether it is in range is checked with all the others. */
function parseValue(setting: SettingDescription, text: string | boolean, source: string): unknown {
  if (typeof text === 'boolean') return text;
  if (setting.kind === 'text') return text;
  if (setting.kind === 'list')
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  if (setting.kind === 'boolean') {
    if (['true', '1', 'yes'].includes(text)) return true;
    if (['false', '0', 'no'].includes(text)) return false;
    throw new CliError(`${source} must be true or false, not "${text}".`);
  }
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new CliError(`${source} must be a number, not "${text}".`);
  return value;
}

function check(values: Record<string, unknown>, origins: Record<string, Origin>): Settings {
  if (Value.Check(SettingsSchema, values)) return refuseContradictions(values);
  const lines = Value.Errors(SettingsSchema, values).map((error) => {
    const name = error.instancePath.split('/')[1] ?? '';
    const setting = SETTINGS.find((candidate) => candidate.name === name);
    const from = origins[name] === undefined ? '' : ` (from ${origins[name]})`;
    return `  --${setting?.flag ?? name}${from}: ${error.message}`;
  });
  throw new CliError(`These settings do not fit:\n${[...new Set(lines)].join('\n')}`, {
    remedy: 'atoll help up   lists the settings',
  });
}

function refuseContradictions(settings: Settings): Settings {
  if (settings.tlsPort !== undefined && settings.domain === undefined) {
    throw new CliError('--tls-port needs --domain: TLS is for the addresses https://<port>-<id>.<domain>.');
  }
  if ((settings.tlsCert === undefined) !== (settings.tlsKey === undefined)) {
    throw new CliError('--tls-cert and --tls-key belong together: give both or neither.');
  }
  if (settings.dnsPort !== undefined && settings.domain === undefined) {
    throw new CliError('--dns-port needs --domain: the DNS server answers for *.<domain>.');
  }
  return settings;
}
