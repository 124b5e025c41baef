import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AddressForm, Program } from './address-form.ts';

const run = promisify(execFile);
const INSTALL_DEADLINE_MS = 5 * 60_000;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A client that is judged: a column of the table. */
export interface Client {
  readonly id: string;
  /** As in docs/compatibility.md. */
  readonly name: string;
  readonly forms: readonly AddressForm[];
  /** Puts the client into a folder of its own and says how its driver is run. Throws when this machine cannot. */
  install(folder: string): Promise<Program>;
}

const BOTH: readonly AddressForm[] = ['two-url', 'domain'];
const PROTOC_GEN_GO = 'google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12';
const PROTOC_GEN_CONNECT_GO = 'connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1';

/** Every client, with the versions that docs/compatibility.md promises. */
export const CLIENTS: readonly Client[] = [
  ...['2.51.0', '2.49.0', '2.30.1', '2.10.3'].map(javascript),
  ...['2.63.0', '2.45.1'].flatMap((version) => [python(version, 'sync'), python(version, 'async')]),
  commandLine('2.19.0'),
  {
    id: 'go-dialect',
    name: 'Go dialect (connect-go, binary protobuf)',
    forms: ['domain'],
    install: installGo,
  },
  {
    id: 'ruby-dialect',
    name: 'Ruby dialect (enveloped calls)',
    forms: BOTH,
    install: async () => ({ command: process.execPath, args: [here('drivers/enveloped/driver.ts')], env: {} }),
  },
];

function javascript(version: string): Client {
  return {
    id: `js-${version}`,
    name: `JavaScript e2b ${version}`,
    forms: BOTH,
    install: async (folder) => {
      await installNpm(folder, `e2b@${version}`);
      return { command: process.execPath, args: [here('drivers/javascript/driver.mjs'), folder], env: {} };
    },
  };
}

function commandLine(version: string): Client {
  return {
    id: `cli-${version}`,
    name: `@e2b/cli ${version}`,
    forms: BOTH,
    install: async (folder) => {
      await installNpm(folder, `@e2b/cli@${version}`);
      return { command: process.execPath, args: [here('drivers/cli/driver.ts'), folder], env: {} };
    },
  };
}

/** Both forms of the Python SDK come with one package and share a folder. */
function python(version: string, mode: 'sync' | 'async'): Client {
  return {
    id: `py-${version}-${mode}`,
    name: `Python e2b ${version}, ${mode}`,
    forms: BOTH,
    install: async (folder) => {
      const shared = join(folder, '..', `py-${version}`);
      await once(shared, async (target) => {
        await run('python3', ['-m', 'venv', target], { timeout: INSTALL_DEADLINE_MS });
        const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `e2b==${version}`];
        await run(join(target, 'bin/python'), pip, { timeout: INSTALL_DEADLINE_MS });
      });
      const args = ['-B', here('drivers/python/driver.py'), mode];
      return { command: join(shared, 'bin/python'), args, env: {} };
    },
  };
}

async function installNpm(folder: string, packageSpec: string): Promise<void> {
  await once(folder, async (target) => {
    await mkdir(target, { recursive: true });
    await writeFile(join(target, 'package.json'), '{ "private": true }\n');
    const args = ['install', packageSpec, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    await run('npm', args, { cwd: target, timeout: INSTALL_DEADLINE_MS });
  });
}

/** Generates the Go side of the envd protocol and builds the program, all in the folder. */
async function installGo(folder: string): Promise<Program> {
  const source = here('drivers/go');
  const binary = join(folder, 'driver');
  // The folder is rebuilt each time: the protocol or the program may have changed, and Go's cache makes it quick.
  const env = { ...process.env, GOBIN: join(folder, 'bin'), GOFLAGS: '-mod=mod' };
  await rm(join(folder, 'src'), { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await cp(source, join(folder, 'src'), { recursive: true });
  for (const generator of [PROTOC_GEN_GO, PROTOC_GEN_CONNECT_GO]) {
    const name = generator.replace(/@.*/, '').replace(/.*\//, '');
    if (!existsSync(join(folder, 'bin', name)))
      await run('go', ['install', generator], { cwd: folder, env, timeout: INSTALL_DEADLINE_MS });
  }
  const template = await readFile(join(source, 'buf.gen.yaml'), 'utf8');
  const configured = template
    .replaceAll('PLUGINS', join(folder, 'bin'))
    .replaceAll('PROTO', here('../packages/contract/proto'));
  const cwd = join(folder, 'src');
  await writeFile(join(cwd, 'buf.gen.yaml'), configured);
  await run(here('../node_modules/.bin/buf'), ['generate'], { cwd, timeout: INSTALL_DEADLINE_MS });
  await run('go', ['build', '-o', binary, '.'], { cwd, env, timeout: INSTALL_DEADLINE_MS });
  return { command: binary, args: [], env: {} };
}

const running = new Map<string, Promise<void>>();

/** Installs into a folder unless that has been done, and never leaves a half-installed one behind. */
function once(folder: string, install: (target: string) => Promise<void>): Promise<void> {
  const known = running.get(folder);
  if (known !== undefined) return known;
  const work = (async () => {
    if (existsSync(join(folder, '.complete'))) return;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await install(folder);
    await writeFile(join(folder, '.complete.tmp'), '');
    await rename(join(folder, '.complete.tmp'), join(folder, '.complete'));
  })();
  running.set(folder, work);
  return work;
}
