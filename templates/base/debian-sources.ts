import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const RELEASE = 'bookworm';
/** Which of the host's apt options a guest needs to reach the same mirrors. */
const MIRRORED_OPTIONS = [
  'Acquire::Check-Valid-Until',
  'Acquire::Check-Date',
  'Acquire::http::Proxy',
  'Acquire::https::Proxy',
];

/** One archive of a Debian: where, and which suite. */
export interface DebianSource {
  readonly uri: string;
  readonly suite: string;
}

/**
 * The lines of the guest's sources.list. A host that is a Debian lends its mirrors (they are known to be reachable, and
 * near). None for any other: mmdebstrap then takes, and writes down, the ones Debian itself recommends.
 */
export async function debianSources(mirror?: string): Promise<string[]> {
  if (mirror !== undefined) return sourceLines([{ uri: mirror, suite: RELEASE }]);
  const codename = await hostCodename();
  const own = codename === undefined ? [] : mirrorsOf(await hostSourceFiles(), codename);
  return own.some((source) => source.suite === RELEASE) ? sourceLines(own) : [];
}

function sourceLines(sources: readonly DebianSource[]): string[] {
  return sources.map((source) => `deb ${source.uri} ${source.suite} main`);
}

/** Options of the host's apt that mirror access depends on, as lines of apt.conf. */
export async function hostAptOptions(): Promise<string[]> {
  const dump = await promisify(execFile)('apt-config', ['dump', ...MIRRORED_OPTIONS]).catch(() => undefined);
  if (dump === undefined) return [];
  return dump.stdout
    .split('\n')
    .map((line) => line.trim().replace(/;$/, ''))
    .filter((line) => /^Acquire::\S+ ".+"$/.test(line));
}

/** The release name of the host when it is a Debian. */
async function hostCodename(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (!/^ID=debian$/m.test(release)) return undefined;
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1];
}

async function hostSourceFiles(): Promise<string[]> {
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  const paths = [
    '/etc/apt/sources.list',
    ...names.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(folder, name)),
  ];
  return Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
}

/**
 * Debian's own archives out of the texts of apt's source files, one-line or deb822, told from third parties by their
 * suite, with the host's release replaced by the guest's.
 */
export function mirrorsOf(texts: readonly string[], codename: string): DebianSource[] {
  const wanted = new Map(
    ['', '-updates', '-security'].map((suffix) => [`${codename}${suffix}`, `${RELEASE}${suffix}`]),
  );
  const found = new Map<string, DebianSource>();
  for (const source of texts.flatMap((text) => [...oneLineSources(text), ...deb822Sources(text)])) {
    const suite = wanted.get(source.suite);
    if (suite === undefined || !/^https?:\/\//.test(source.uri)) continue;
    const uri = source.uri.replace(/\/$/, '');
    if (!found.has(suite)) found.set(suite, { uri, suite });
  }
  return [...found.values()];
}

function oneLineSources(text: string): DebianSource[] {
  const lines = text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(?:.*\s)?main(?:\s|$)/gm);
  return [...lines].flatMap(([, uri, suite]) => (uri === undefined || suite === undefined ? [] : [{ uri, suite }]));
}

function deb822Sources(text: string): DebianSource[] {
  const field = (stanza: string, name: string) =>
    new RegExp(`^${name}:\\s*(.*)$`, 'mi').exec(stanza)?.[1]?.split(/\s+/) ?? [];
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    if (!field(stanza, 'Types').includes('deb') || !field(stanza, 'Components').includes('main')) return [];
    if (field(stanza, 'Enabled').includes('no')) return [];
    return field(stanza, 'URIs').flatMap((uri) => field(stanza, 'Suites').map((suite) => ({ uri, suite })));
  });
}
