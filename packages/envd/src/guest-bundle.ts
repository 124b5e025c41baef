import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dynamicLoaderOf, patchDynamicLoader } from './elf.ts';

/** Where guests see the bundle, read-only. The program is tied to this path: its loader is named by it. */
export const GUEST_BUNDLE_MOUNT_POINT = '/.atoll';

/** How a guest's first process is started; `launch.json` of a bundle. */
export interface LaunchInfo {
  readonly args: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly cwd: string;
}

const LAUNCH: LaunchInfo = {
  args: [`${GUEST_BUNDLE_MOUNT_POINT}/envd`],
  env: [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    // Before any library of the guest; envd does not pass it on.
    `LD_LIBRARY_PATH=${GUEST_BUNDLE_MOUNT_POINT}/lib`,
  ],
  cwd: '/',
};

/** Longest a compilation may take, in milliseconds: it takes less than a second, on a busy machine some. */
const BUILD_DEADLINE_MS = 120_000;

const GUEST_SOURCE = fileURLToPath(new URL('../guest/main.ts', import.meta.url));

const run = promisify(execFile);

/**
 * Makes the folder that every guest gets at {@link GUEST_BUNDLE_MOUNT_POINT}: envd as one executable, and the dynamic
 * loader and C library of this machine, so that it runs in images with another C library or an older one.
 * Replaces the folder if it exists. The same sources on the same machine give the same bytes.
 */
export async function buildGuestBundle(options: { readonly directory: string }): Promise<void> {
  await mkdir(dirname(options.directory), { recursive: true });
  const temporary = await mkdtemp(`${options.directory}.`);
  try {
    await chmod(temporary, 0o755);
    const program = join(temporary, 'envd');
    await compile(program);
    await addLibraries(program, temporary);
    await writeFile(join(temporary, 'launch.json'), `${JSON.stringify(LAUNCH, null, 2)}\n`);
    await rm(options.directory, { recursive: true, force: true });
    await rename(temporary, options.directory);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function compile(outfile: string): Promise<void> {
  const args = [
    'build',
    '--compile',
    '--minify-syntax',
    '--minify-whitespace',
    // Functions compiled ahead: start is what a cold sandbox waits for.
    '--bytecode',
    // Settings files of Bun in a guest's root folder are not for us.
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    `--outfile=${outfile}`,
    GUEST_SOURCE,
  ];
  try {
    await run(bunExecutable(), args, { cwd: dirname(outfile), timeout: BUILD_DEADLINE_MS });
  } catch (error) {
    throw new Error(`Compiling envd with Bun failed: ${errorOutput(error)}`, { cause: error });
  }
}

/** Bun comes as a package for each kind of machine. */
function bunExecutable(): string {
  const name = `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin/bun');
  } catch (error) {
    throw new Error(`The package ${name} is not installed; run "npm install".`, { cause: error });
  }
}

/** Puts the loader and the libraries beside the program, and makes the program use that loader. */
async function addLibraries(program: string, directory: string): Promise<void> {
  const image = await readFile(program);
  const loader = dynamicLoaderOf(image);
  const { stdout } = await run(loader, ['--list', program], { timeout: BUILD_DEADLINE_MS });
  await mkdir(join(directory, 'lib'));
  // Lines are `name => path (address)`; the loader itself and the kernel's own library have no arrow.
  for (const [, , path = ''] of stdout.matchAll(/^\s*(\S+) => (\/\S+) \(/gm)) {
    if (path !== loader) await copyLibrary(path, join(directory, 'lib', basename(path)));
  }
  await copyLibrary(loader, join(directory, 'ld.so'));
  patchDynamicLoader(image, `${GUEST_BUNDLE_MOUNT_POINT}/ld.so`);
  await writeFile(program, image, { mode: 0o755 });
  await chmod(program, 0o755);
}

async function copyLibrary(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
}

function errorOutput(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'stderr' in error && typeof error.stderr === 'string' && error.stderr !== '' ? error.stderr : error.message;
}
