import { createHash } from 'node:crypto';
import { constants, copyFile, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { runContained } from './host-command.ts';

/** The npm that guests get. Debian 12's own is older than most packages allow. */
export const NPM_VERSION = '11.21.2';
const NPM_INTEGRITY = 'sha512-7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq9A==';

/** Puts Node and npm under `<root>/usr/local`. npm comes from the registry, checked against the pinned hash. */
export async function installNodeToolchain(options: {
  readonly root: string;
  readonly nodeBinary: string;
  /** An existing folder for what is only needed meanwhile. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { root, scratch, signal } = options;
  const binaries = join(root, 'usr/local/bin');
  const npm = join(root, 'usr/local/lib/node_modules/npm');
  await mkdir(binaries, { recursive: true });
  await mkdir(npm, { recursive: true });

  await copyFile(options.nodeBinary, join(binaries, 'node'), constants.COPYFILE_FICLONE);

  await runContained('npm', ['pack', `npm@${NPM_VERSION}`, '--ignore-scripts', '--pack-destination', scratch], {
    env: { npm_config_update_notifier: 'false' },
    signal,
  });
  const archive = join(scratch, `npm-${NPM_VERSION}.tgz`);
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(archive))
    .digest('base64')}`;
  if (integrity !== NPM_INTEGRITY) {
    throw new Error(
      `The npm package fetched from the registry is not the expected one: ${integrity}, expected ${NPM_INTEGRITY}.`,
    );
  }
  await runContained('tar', ['-xzf', archive, '-C', npm, '--strip-components=1', '--no-same-owner'], { signal });
  for (const part of ['docs', 'man']) await rm(join(npm, part), { recursive: true, force: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(binaries, 'npm'));
  await symlink('../lib/node_modules/npm/bin/npx-cli.js', join(binaries, 'npx'));
}
