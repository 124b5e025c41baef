import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { baseEnvironment, hostCertificates, writeCertificates } from './certificates.ts';
import { debianSources, hostAptOptions } from './debian-sources.ts';
import { runContained } from './host-command.ts';
import { installNodeToolchain, NPM_VERSION } from './node-toolchain.ts';

const FILES = join(import.meta.dirname, 'files');
const FINISH_SCRIPT = join(import.meta.dirname, 'finish.sh');

/** mmdebstrap takes half a minute; ten cover a slow mirror. */
const DEFAULT_DEADLINE_MS = 10 * 60 * 1000;

/** What clients expect to find (protocol note templates-build, 3a and 12), and little else: 290 MB with Node. */
const PACKAGES = [
  ...['bash', 'sudo', 'procps', 'iproute2', 'iputils-ping', 'less', 'nano', 'file', 'socat'],
  ...['python3', 'python3-pip', 'python3-venv', 'python-is-python3'],
  ...['git', 'curl', 'wget', 'jq', 'openssh-client', 'ca-certificates', 'gnupg'],
  ...['zip', 'unzip', 'xz-utils', 'bzip2'],
];

/** Kept in the guest too: what its users install later stays as small, and dpkg need not wait for the disk. */
const DPKG_OPTIONS = [
  'force-unsafe-io',
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
];

export interface BaseOptions {
  /** Told what is being done, a short sentence at a time. */
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal;
  /** Debian mirror to install from. Default: the host's own where the host is a Debian, else the one that mmdebstrap knows. */
  readonly debianMirror?: string;
  /** Whether guests trust the CA certificates that the host's administrator added. Default true. */
  readonly trustHostCertificates?: boolean;
  /** The Node that guests get. Default: the one running this. */
  readonly nodeBinary?: string;
}

/** The defaults of sandboxes made from the template. */
export interface BaseConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workdir: string;
}

/** A base root file system on disk. */
export interface Base {
  /** Hash of everything that went into it. */
  readonly key: string;
  readonly directory: string;
  readonly config: BaseConfig;
}

/** Everything that decides what the template contains. Plain data, so that it can be hashed before anything runs. */
interface BasePlan {
  readonly sources: readonly string[];
  readonly aptOptions: readonly string[];
  readonly certificates: readonly string[];
  readonly nodeBinary: string;
  readonly key: string;
}

async function planBase(options: BaseOptions): Promise<BasePlan> {
  const sources = await debianSources(options.debianMirror);
  const aptOptions = ['Acquire::Languages "none"', ...(await hostAptOptions())];
  const certificates = options.trustHostCertificates === false ? [] : await hostCertificates();
  const hash = createHash('sha256');
  const decide = (...values: readonly string[]) => hash.update(JSON.stringify(values));
  decide(...sources, ...aptOptions, ...PACKAGES, ...DPKG_OPTIONS, ...certificates);
  decide(process.arch, process.version, NPM_VERSION);
  for (const path of [FINISH_SCRIPT, ...(await filesBelow(FILES))])
    decide(path.slice(FILES.length), await readFile(path, 'utf8'));
  return {
    sources,
    aptOptions,
    certificates,
    nodeBinary: options.nodeBinary ?? process.execPath,
    key: hash.digest('hex').slice(0, 24),
  };
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/**
 * The base root out of the cache, made first when it is not there. Made under a temporary name and renamed when complete,
 * so what is found is whole; what a killed attempt left is removed by the next.
 */
export async function ensureBase(options: BaseOptions & { readonly cacheDirectory: string }): Promise<Base> {
  const plan = await planBase(options);
  const home = join(options.cacheDirectory, 'base');
  const directory = join(home, plan.key);
  const config = configOf(plan);
  if (await exists(directory)) return { key: plan.key, directory, config };
  await mkdir(home, { recursive: true });
  await removeAbandoned(home);
  const temporary = join(home, `.tmp-${process.pid}-${plan.key}`);
  try {
    await execute(plan, temporary, options);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    // Another process made the same one meanwhile; its content is ours.
    if (!(await exists(directory))) throw error;
  }
  return { key: plan.key, directory, config };
}

/**
 * Makes the base root in `directory`, which must not exist; nothing is left of it when this throws.
 * Needs root, mmdebstrap, the Debian archive keyring and npm.
 */
export async function provisionBase(options: BaseOptions & { readonly directory: string }): Promise<BaseConfig> {
  const plan = await planBase(options);
  try {
    await execute(plan, options.directory, options);
  } catch (error) {
    await rm(options.directory, { recursive: true, force: true });
    throw error;
  }
  return configOf(plan);
}

async function execute(plan: BasePlan, directory: string, options: BaseOptions): Promise<void> {
  const signal = AbortSignal.any([
    AbortSignal.timeout(DEFAULT_DEADLINE_MS),
    ...(options.signal ? [options.signal] : []),
  ]);
  const onProgress = options.onProgress ?? (() => {});
  const scratch = await mkdtemp(join(dirname(directory), '.scratch-'));
  try {
    // 1. Lay out what is ours: files, Node and npm, certificates.
    const files = join(scratch, 'files');
    const certificates = join(scratch, 'certificates');
    await cp(FILES, files, { recursive: true });
    await writeCertificates(certificates, plan.certificates);
    onProgress('fetching npm');
    await installNodeToolchain({ root: files, nodeBinary: plan.nodeBinary, scratch, signal });
    // 2. Let mmdebstrap install Debian and call finish.sh, which lays the files over it, while /proc and /dev are there.
    const sources = plan.sources.length === 0 ? undefined : join(scratch, 'sources.list');
    if (sources !== undefined) await writeFile(sources, `${plan.sources.join('\n')}\n`);
    onProgress('installing Debian 12 packages');
    await runContained('mmdebstrap', mmdebstrapArguments(plan, directory, sources), {
      env: { ATOLL_BASE_FILES: files, ATOLL_BASE_CERTIFICATES: certificates },
      signal,
      onLine: (line) => {
        const step =
          /^I: (installing remaining packages|downloading|extracting|running --customize-hook|cleaning)/.exec(line);
        if (step?.[1] !== undefined) onProgress(`Debian 12: ${step[1]}`);
      },
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function mmdebstrapArguments(plan: BasePlan, directory: string, sources: string | undefined): string[] {
  return [
    '--mode=root',
    '--format=directory',
    '--variant=minbase',
    '--keyring=/usr/share/keyrings/debian-archive-keyring.gpg',
    `--include=${PACKAGES.join(',')}`,
    ...plan.aptOptions.map((option) => `--aptopt=${option}`),
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    `--customize-hook=sh ${FINISH_SCRIPT} "$1"`,
    'bookworm',
    directory,
    ...(sources === undefined ? [] : [sources]),
  ];
}

function configOf(plan: BasePlan): BaseConfig {
  return { env: baseEnvironment(plan.certificates), user: 'user', workdir: '/home/user' };
}

async function exists(directory: string): Promise<boolean> {
  return readdir(directory).then(
    () => true,
    () => false,
  );
}

/** Removes what attempts left whose process is gone. */
async function removeAbandoned(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = /^\.tmp-([0-9]+)-/.exec(name)?.[1];
    if (pid === undefined || (await exists(`/proc/${pid}`))) continue;
    await rm(join(home, name), { recursive: true, force: true });
  }
}
