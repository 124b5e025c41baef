// Installs what a clone or its host lacks: npm packages (among them the project's own Node) and host tools.
// Runs on any Node >= 20, before anything is installed; so it uses nothing but Node itself.
//   node scripts/bootstrap.mjs [1]     1: host tools too
import { spawn } from 'node:child_process';
import { accessSync, constants, copyFileSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Node that runs the project, once the packages are installed. */
export const PROJECT_NODE = join(ROOT, 'node_modules/.bin/node');

const INSTALLED_LOCK = join(ROOT, 'node_modules/.atoll-installed-lock.json');
const LOCK = join(ROOT, 'package-lock.json');

/** Each host tool with the package that has it. `atoll` names the same commands. */
const HOST_TOOLS = {
  nft: 'nftables',
  ip: { default: 'iproute2', dnf: 'iproute' },
  conntrack: { default: 'conntrack', dnf: 'conntrack-tools', pacman: 'conntrack-tools', apk: 'conntrack-tools' },
  mmdebstrap: 'mmdebstrap',
  'mkfs.ext4': 'e2fsprogs',
  losetup: { default: 'util-linux', 'apt-get': 'mount' },
  mount: { default: 'util-linux', 'apt-get': 'mount' },
  unshare: 'util-linux',
  setpriv: 'util-linux',
};

/** What the tests need besides: the store is tested on a PostgreSQL that they start. */
export const TEST_TOOLS = {
  initdb: { default: 'postgresql', dnf: 'postgresql-server', zypper: 'postgresql-server' },
};

const PACKAGE_MANAGERS = {
  'apt-get': 'apt-get install -y --no-install-recommends',
  dnf: 'dnf install -y',
  zypper: 'zypper install -y',
  pacman: 'pacman -S --noconfirm',
  apk: 'apk add',
};

/** A failure that the person at the terminal can cure; shown without a stack. */
export class BootstrapError extends Error {}

/** Where Debian keeps programs of which several versions may be installed. */
function postgresFolders() {
  try {
    return readdirSync('/usr/lib/postgresql').map((version) => join('/usr/lib/postgresql', version, 'bin'));
  } catch {
    return [];
  }
}

function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of [...folders, ...postgresFolders()]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Shows a step and how long it took; on a terminal a running clock. Output of `run` is shown only when it fails. */
async function step(label, program, args, options = {}) {
  const began = Date.now();
  const terminal = process.stderr.isTTY === true;
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(terminal ? 0 : 1)} s`;
  if (!terminal) process.stderr.write(`… ${label}\n`);
  const clock = terminal
    ? setInterval(() => process.stderr.write(`\r\x1b[K… ${label} (${seconds()})`), 200)
    : undefined;
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  const end = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
  });
  clearInterval(clock);
  if (terminal) process.stderr.write('\r\x1b[K');
  if (end === undefined) {
    process.stderr.write(`✓ ${label} (${seconds()})\n`);
    return;
  }
  throw new BootstrapError(
    `${label} failed (${end}).\n${ends(Buffer.concat(output).toString())}\nThe command was: ${program} ${args.join(' ')}`,
  );
}

/** The first and last lines: tools name the cause at one end or the other. */
function ends(text, lines = 12) {
  const all = text.trim().split('\n');
  return all.length <= 2 * lines ? all.join('\n') : [...all.slice(0, lines), '…', ...all.slice(-lines)].join('\n');
}

function sameText(one, other) {
  try {
    return readFileSync(one, 'utf8') === readFileSync(other, 'utf8');
  } catch {
    return false;
  }
}

function packagesInstalled() {
  try {
    accessSync(PROJECT_NODE, constants.X_OK);
    const installed = statSync(join(ROOT, 'node_modules/.package-lock.json'));
    return installed.mtimeMs > statSync(LOCK).mtimeMs || sameText(INSTALLED_LOCK, LOCK);
  } catch {
    return false;
  }
}

/** Installs the npm packages when they are missing or not those of the lock file. */
export async function installPackages() {
  if (packagesInstalled()) return;
  if (findProgram('npm') === undefined) {
    throw new BootstrapError(
      'npm is needed and was not found in PATH. Install it (for example: sudo apt-get install npm).',
    );
  }
  // Not `npm ci`: it refuses the lock file where a registry lacks a package for some other platform. What is in the lock
  // file is installed as it says, and the file is not touched.
  const args = ['install', '--no-save', '--include=dev', '--include=optional', '--ignore-scripts'];
  await step('Installing npm packages', 'npm', [...args, '--no-audit', '--no-fund', '--no-progress']);
  try {
    accessSync(PROJECT_NODE, constants.X_OK);
  } catch {
    throw new BootstrapError(
      `No Node for ${process.platform} ${process.arch} came with the packages. Atoll runs on Linux, x64 and arm64.`,
    );
  }
  copyFileSync(LOCK, INSTALLED_LOCK);
}

/** Installs missing host tools as root; throws with the one line a person must run otherwise. */
export async function installHostTools(extra = {}) {
  const tools = { ...HOST_TOOLS, ...extra };
  const missing = Object.keys(tools).filter((tool) => findProgram(tool) === undefined);
  if (missing.length === 0) return;
  const manager = Object.keys(PACKAGE_MANAGERS).find((name) => findProgram(name) !== undefined);
  if (manager === undefined) {
    throw new BootstrapError(
      `These programs are needed and were not found: ${missing.join(', ')}. Install them and try again.`,
    );
  }
  const packageOf = (tool) => {
    const names = tools[tool];
    return typeof names === 'string' ? names : (names[manager] ?? names.default);
  };
  const packages = [...new Set(missing.map(packageOf))];
  const line = `${PACKAGE_MANAGERS[manager]} ${packages.join(' ')}`;
  const isRoot = process.getuid?.() === 0;
  if (manager !== 'apt-get' || !isRoot) {
    throw new BootstrapError(
      `These programs are needed and were not found: ${missing.join(', ')}. Run this, then the same command again:\n\n  ${isRoot ? '' : 'sudo '}${line}\n`,
    );
  }
  const [program, ...args] = line.split(' ');
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const install = () => step(`Installing ${packages.join(', ')}`, program, args, options);
  // Package lists may be fresh enough; reading them anew takes longer than the installation.
  await install().catch(async () => {
    await step('Reading package lists', 'apt-get', ['update'], options);
    await install();
  });
}

async function main() {
  await installPackages();
  if (process.argv[2] === '1') await installHostTools();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error) => {
    process.stderr.write(`atoll: ${error instanceof BootstrapError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  });
}
