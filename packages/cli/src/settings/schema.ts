import { DEFAULT_MAX_TIMEOUT_SECONDS, DEFAULT_RESOURCES } from '@atoll/contract';
import { type Static, Type } from 'typebox';

const port = (description: string, value: number) =>
  Type.Integer({ description, default: value, minimum: 0, maximum: 65535 });
const optionalPort = (description: string) => Type.Optional(Type.Integer({ description, minimum: 0, maximum: 65535 }));
const optionalText = (description: string) => Type.Optional(Type.String({ description, minLength: 1 }));
const cidrs = (description: string) =>
  Type.Array(Type.String({ pattern: '^[0-9.]+/[0-9]{1,2}$' }), { description, default: [] });

export const DEFAULT_DATA_DIR = '/var/lib/atoll';

/**
 * Every setting of a server. One schema gives the flag (`--api-port`), the variable (`ATOLL_API_PORT`), the key of the
 * configuration file (`apiPort`), the check and the text of `atoll help up`. Lists are separated by commas.
 */
export const SettingsSchema = Type.Object(
  {
    dataDir: Type.String({
      description: 'Folder of everything that is to last',
      default: DEFAULT_DATA_DIR,
      pattern: '^/.+',
    }),
    cacheDir: Type.String({
      description: 'Folder of what can be made again: runsc, guest programs, template roots',
      default: '/var/cache/atoll',
      pattern: '^/.+',
    }),
    host: Type.String({ description: 'Address that the API and the edge listen on', default: '0.0.0.0', minLength: 1 }),
    publicHost: optionalText('Name or address of this machine in the printed URLs'),
    apiPort: port('Port of the API; 0 takes a free one', 3000),
    edgePort: port('Port of the edge (traffic to sandboxes); 0 takes a free one', 3002),
    domain: optionalText('Base domain: ports of sandboxes are reached at https://<port>-<id>.<domain>'),
    tlsPort: optionalPort('Port of the edge for TLS; needs a domain'),
    tlsCert: optionalText('Certificate file (PEM) for *.<domain>; without it a private CA is made'),
    tlsKey: optionalText('Key file (PEM) of that certificate'),
    dnsPort: optionalPort('UDP port of a DNS server that answers for *.<domain>'),
    dnsAddress: optionalText('The address it answers with'),
    apiKey: Type.Optional(
      Type.String({ description: 'First API key; made at the first start when not given', pattern: '^e2b_[0-9a-f]+$' }),
    ),
    accessToken: Type.Optional(
      Type.String({
        description: 'First access token; made at the first start when not given',
        pattern: '^sk_e2b_[0-9a-f]+$',
      }),
    ),
    adminToken: optionalText('Secret of the operator for /nodes and /admin; made at the first start when not given'),
    instance: Type.Optional(
      Type.String({
        description: 'Prefix of every name made on the host; derived from the data directory when not given',
        pattern: '^[a-z][a-z0-9]{0,7}$',
      }),
    ),
    cidr: Type.Optional(
      Type.String({
        description: 'IPv4 range of the sandboxes, /16; a free one is chosen when not given',
        pattern: '^[0-9.]+/16$',
      }),
    ),
    databaseUrl: optionalText('postgres://… or sqlite:<path>; a SQLite file in the data directory when not given'),
    poolSize: Type.Integer({
      description: 'Ready, frozen sandboxes kept per template; 0 keeps none',
      default: 4,
      minimum: 0,
      maximum: 1000,
    }),
    maxSandboxes: Type.Integer({ description: 'Sandboxes at once per team', default: 1000, minimum: 1 }),
    maxTimeoutSeconds: Type.Integer({
      description: 'Longest life a client may ask for',
      default: DEFAULT_MAX_TIMEOUT_SECONDS,
      minimum: 1,
    }),
    cpuCount: Type.Number({ description: 'Cores of a sandbox', default: DEFAULT_RESOURCES.cpuCount, minimum: 0.1 }),
    memoryMiB: Type.Integer({ description: 'Memory of a sandbox', default: DEFAULT_RESOURCES.memoryMiB, minimum: 128 }),
    diskMiB: Type.Integer({ description: 'Disk of a sandbox', default: DEFAULT_RESOURCES.diskMiB, minimum: 128 }),
    alwaysSecure: Type.Boolean({ description: 'Every sandbox gets an access token, asked for or not', default: false }),
    allowPrivate: cidrs('Private ranges that allowOut rules may open'),
    resolvers: Type.Array(Type.String({ pattern: '^[0-9.]+$' }), {
      description: 'DNS servers asked for sandboxes; the host’s own when not given',
      default: [],
    }),
    runscPath: optionalText('A runsc binary to use instead of the pinned one'),
    debianMirror: optionalText('Mirror to install the base template from; the host’s own when not given'),
    trustHostCertificates: Type.Boolean({
      description: 'Sandboxes trust the CA certificates that this machine’s administrator added',
      default: true,
    }),
    logLevel: Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')], {
      description: 'Least severe messages of the log',
      default: 'info',
    }),
    jsonLogs: Type.Boolean({ description: 'Log as JSON lines also on a terminal', default: false }),
  },
  { additionalProperties: false },
);

export type Settings = Static<typeof SettingsSchema>;
export type SettingName = keyof Settings;

/** What is needed to read and explain one setting. Plain data out of the schema. */
export interface SettingDescription {
  readonly name: SettingName;
  /** Without dashes: `api-port`. */
  readonly flag: string;
  readonly variable: string;
  readonly kind: 'integer' | 'number' | 'boolean' | 'text' | 'list';
  readonly description: string;
  readonly default: unknown;
  readonly secret: boolean;
}

const SECRETS: ReadonlySet<string> = new Set<SettingName>(['apiKey', 'accessToken', 'adminToken', 'databaseUrl']);

export const SETTINGS: readonly SettingDescription[] = Object.entries(SettingsSchema.properties).map(
  ([name, schema]) => {
    const words = name.replace(/MiB$/, '-mib').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return {
      name: name as SettingName,
      flag: words,
      variable: `ATOLL_${words.replaceAll('-', '_').toUpperCase()}`,
      kind: kindOf(schema),
      description: 'description' in schema ? String(schema.description) : '',
      default: 'default' in schema ? schema.default : undefined,
      secret: SECRETS.has(name),
    };
  },
);

function kindOf(schema: object): SettingDescription['kind'] {
  const type = 'type' in schema ? schema.type : 'string';
  if (type === 'integer' || type === 'number' || type === 'boolean') return type;
  return type === 'array' ? 'list' : 'text';
}
