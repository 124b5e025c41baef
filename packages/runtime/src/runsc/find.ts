import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { judgeRunsc, PINNED_RUNSC } from './pinned.ts';

const VERSION_DEADLINE_MS = 10_000;

/** A runsc on this machine. */
export interface Runsc {
  readonly path: string;
  readonly version: string;
}

/** What was found: the one to use, if any, and those that will not do, with the reason. */
export interface RunscSearch {
  readonly runsc: Runsc | undefined;
  readonly refused: readonly (Runsc & { readonly reason: string })[];
}

/** Where our own build is kept below `directory`. */
export function keptRunscPath(directory: string): string {
  return join(resolve(directory), PINNED_RUNSC.label, 'runsc');
}

/** Looks for a runsc that fits: the one kept below `directory` first, then along `searchPath` (default: $PATH). */
export async function findRunsc(options: { directory: string; searchPath?: string }): Promise<RunscSearch> {
  const searchPath = options.searchPath ?? process.env.PATH ?? '';
  const folders = [
    ...searchPath.split(delimiter).filter((folder) => folder.startsWith('/')),
    '/usr/local/bin',
    '/usr/bin',
  ];
  const candidates = [keptRunscPath(options.directory), ...folders.map((folder) => join(folder, 'runsc'))];
  const refused: (Runsc & { reason: string })[] = [];
  for (const path of new Set(candidates)) {
    if (!(await isExecutable(path))) continue;
    const version = await readRunscVersion(path);
    const verdict = judgeRunsc(version);
    if (verdict.fits) return { runsc: { path, version }, refused };
    refused.push({ path, version, reason: verdict.reason });
  }
  return { runsc: undefined, refused };
}

/** What a runsc calls itself; `unknown` when it does not run or does not say. */
export async function readRunscVersion(path: string): Promise<string> {
  const output = await promisify(execFile)(path, ['--version'], { timeout: VERSION_DEADLINE_MS }).then(
    ({ stdout }) => stdout,
    () => '',
  );
  return /^runsc version (\S+)/m.exec(output)?.[1] ?? 'unknown';
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
